//! TLS as Node users set it up: PEM in, a client's configuration out.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Why a configuration cannot be used, in the words of the option that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTls(String);

impl fmt::Display for BadTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadTls {}

/// Builds a client's configuration for TLS 1.2 and 1.3.
///
/// `ca` holds the certificates to trust, `identity` a certificate chain and its private key for
/// servers that ask for one; all in PEM.
///
/// # Errors
///
/// [`BadTls`] where a PEM text cannot be read or a key does not fit its certificate.
pub fn configure(
    ca: &[String],
    identity: Option<(&str, &str)>,
    verify: bool,
) -> Result<Arc<ClientConfig>, BadTls> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| BadTls(e.to_string()))?;
    let builder = if verify {
        builder.with_root_certificates(roots(ca)?)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    };
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                .map_err(|_| BadTls("`tls.key` is not a private key in PEM".into()))?;
            builder
                .with_client_auth_cert(certificates("tls.cert", cert)?, key)
                .map_err(|e| BadTls(format!("`tls.key` and `tls.cert` cannot be used: {e}")))?
        }
    };
    Ok(Arc::new(config))
}

/// What failed, in words that say what to do; nothing if it was not TLS.
pub(super) fn explain(error: &io::Error) -> Option<String> {
    error.get_ref()?.downcast_ref::<rustls::Error>().map(|error| format!("TLS failed: {error}"))
}

fn roots(ca: &[String]) -> Result<RootCertStore, BadTls> {
    let mut roots = RootCertStore::empty();
    for pem in ca {
        // Like OpenSSL, which Node uses: a root that cannot be used verifies nothing, and no more.
        roots.add_parsable_certificates(certificates("tls.ca", pem)?);
    }
    Ok(roots)
}

fn certificates(option: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, BadTls> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| BadTls(format!("`{option}` holds no certificate in PEM")))
}

/// Takes any certificate, as `rejectUnauthorized: false` asks for.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
