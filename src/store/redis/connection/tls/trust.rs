//! Which servers a client trusts: those that Node trusts, and no fewer.
//!
//! rustls verifies chains and signatures. It accepts neither an authority's certificate as a server's own, nor a
//! common name. Node accepts both: `openssl req -x509` makes such certificates, and many company authorities still
//! use common names.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, PeerMisbehaved, RootCertStore,
    SignatureScheme,
};
use sha2::{Digest as _, Sha256};
use webpki::RawPublicKeyEntity;

use super::certificate::Certificate;

/// The problem of a certificate, for a message.
#[derive(Debug)]
pub(crate) struct Untrusted(pub &'static str);

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Untrusted {}

impl From<Untrusted> for Error {
    fn from(untrusted: Untrusted) -> Self {
        CertificateError::Other(OtherError(Arc::new(untrusted))).into()
    }
}

const VERSION_1: Untrusted = Untrusted(
    "the server's certificate is of X.509 version 1, which cannot be verified (issue one of version 3: \
     `openssl x509 -req` with `-extfile`)",
);
const AUTHORITY: Untrusted =
    Untrusted("the server's certificate is one for an authority (issue one that says CA:FALSE)");
const SELF_SIGNED: Untrusted = Untrusted(
    "the server's certificate is signed by itself, and not among those to trust (give it as `tls.ca`)",
);
const CRITICAL: Untrusted = Untrusted(
    "the server's certificate has a critical extension that is not supported (issue one without)",
);
const SHORT_KEY: Untrusted = Untrusted(
    "the key of the server's certificate is too short (issue one with RSA of 2048 bits or more, or with \
     ECDSA)",
);
const EXPIRED_ISSUER: Untrusted = Untrusted(
    "the certificate of an authority that it trusts has expired, or is not valid yet (renew it in `tls.ca`, \
     or set this machine's clock)",
);

/// Verifies servers.
#[derive(Debug)]
pub(crate) struct Trust {
    provider: Arc<CryptoProvider>,
    /// `None`: any certificate is accepted.
    trusted: Option<Arc<Trusted>>,
}

/// Certificates to trust.
#[derive(Debug)]
pub(crate) struct Trusted {
    roots: RootCertStore,
    /// The validity of each root, as far as it can be parsed.
    validity: Vec<Option<(UnixTime, UnixTime)>>,
    /// The SHA-256 of each certificate that was given.
    given: HashSet<[u8; 32]>,
}

impl Trust {
    /// Trusts these certificates, and those that they have issued. `None` trusts every server, for
    /// `rejectUnauthorized: false`.
    pub fn new(provider: Arc<CryptoProvider>, trusted: Option<Arc<Trusted>>) -> Self {
        Self { provider, trusted }
    }
}

impl Trusted {
    pub fn new<'c>(given: impl IntoIterator<Item = CertificateDer<'c>>) -> Self {
        let mut trusted =
            Self { roots: RootCertStore::empty(), validity: Vec::new(), given: HashSet::new() };
        for der in given {
            trusted.given.insert(Sha256::digest(&der).into());
            let validity = Certificate::read(&der).map(|certificate| certificate.validity());
            // A certificate that cannot be used is ignored, as in OpenSSL, which Node uses.
            if trusted.roots.add(der.into_owned()).is_ok() {
                trusted.validity.push(validity);
            }
        }
        trusted
    }

    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        provider: &CryptoProvider,
    ) -> Result<(), Error> {
        let certificate = Certificate::read(end_entity);
        let is_self_issued = certificate.as_ref().is_some_and(Certificate::is_self_issued);
        let digest: [u8; 32] = Sha256::digest(end_entity).into();
        let is_given = self.given.contains(&digest);
        if let (Some(certificate), true, true) = (&certificate, is_self_issued, is_given) {
            return certificate.check_use(now).map_err(Error::from);
        }
        match (self.verify_chain(end_entity, intermediates, now, provider), &certificate) {
            (Ok(()), Some(it)) if !it.is_for_servers() => {
                Err(CertificateError::InvalidPurpose.into())
            }
            (Ok(()), _) => Ok(()),
            (Err(_), Some(_)) if is_self_issued => Err(SELF_SIGNED.into()),
            (Err(_), Some(it)) if it.is_version_1() => Err(VERSION_1.into()),
            (Err(e), Some(it)) if is_other(&e) && it.is_critically_unknown() => {
                Err(CRITICAL.into())
            }
            (Err(e), Some(it)) if is_other(&e) && it.is_authority() => Err(AUTHORITY.into()),
            (Err(e), _) => Err(e),
        }
    }

    fn verify_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        provider: &CryptoProvider,
    ) -> Result<(), Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let verify = |roots: &RootCertStore| {
            let algorithms = provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                roots,
                intermediates,
                now,
                algorithms,
            )
        };
        verify(&self.roots)?;
        // rustls checks the dates of all certificates except the root. OpenSSL checks those of the root too.
        match self.roots_without_outdated(now) {
            Some(roots) => verify(&roots).map_err(|_| EXPIRED_ISSUER.into()),
            None => Ok(()),
        }
    }

    /// `None` if all roots are valid now.
    fn roots_without_outdated(&self, now: UnixTime) -> Option<RootCertStore> {
        let is_valid = |validity: &Option<(UnixTime, UnixTime)>| {
            validity.is_none_or(|(from, until)| from <= now && now <= until)
        };
        if self.validity.iter().all(is_valid) {
            return None;
        }
        let roots = self.roots.roots.iter().zip(&self.validity);
        Some(
            roots
                .filter(|(_, validity)| is_valid(validity))
                .map(|(root, _)| root.clone())
                .collect(),
        )
    }
}

/// Whether the error is one that rustls does not distinguish.
fn is_other(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(_)))
}

/// Verifies that a certificate is for this server: by its alternative names, or else, as Node does, by its common
/// name.
fn verify_name(end_entity: &CertificateDer<'_>, server: &ServerName<'_>) -> Result<(), Error> {
    let parsed = ParsedCertificate::try_from(end_entity);
    let by_alternative = parsed.and_then(|parsed| verify_server_name(&parsed, server));
    if by_alternative.is_ok() {
        return Ok(());
    }
    let certificate = Certificate::read(end_entity);
    match (&certificate, server) {
        (Some(certificate), ServerName::DnsName(host))
            if certificate.is_commonly_for(host.as_ref()) =>
        {
            Ok(())
        }
        _ => {
            let presented = certificate.map(|certificate| certificate.names()).unwrap_or_default();
            let expected = server.to_owned();
            Err(CertificateError::NotValidForNameContext { expected, presented }.into())
        }
    }
}

/// Verifies a signature in the handshake by the key alone, if webpki cannot parse the certificate. It may be a pinned
/// one of version 1, or need no verification.
fn verify_again(
    error: Error,
    cert: &CertificateDer<'_>,
    by_key: impl FnOnce(&SubjectPublicKeyInfoDer<'_>) -> Result<HandshakeSignatureValid, Error>,
) -> Result<HandshakeSignatureValid, Error> {
    match Certificate::read(cert) {
        Some(certificate) if certificate.has_short_key() => Err(SHORT_KEY.into()),
        Some(certificate) if ParsedCertificate::try_from(cert).is_err() => {
            by_key(&certificate.key().ok_or(CertificateError::BadEncoding)?)
        }
        _ => Err(error),
    }
}

/// Verifies a signature as rustls does for TLS 1.2. There, a scheme may stand for several algorithms.
fn verify_tls12_signature_with_raw_key(
    message: &[u8],
    key: &SubjectPublicKeyInfoDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let key = RawPublicKeyEntity::try_from(key).map_err(|_| CertificateError::BadEncoding)?;
    let mut mapping = algorithms.mapping.iter();
    let (_, algorithms) = mapping
        .find(|(scheme, _)| *scheme == dss.scheme)
        .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    let mut algorithms = algorithms.iter();
    if algorithms
        .any(|algorithm| key.verify_signature(*algorithm, message, dss.signature()).is_ok())
    {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(CertificateError::BadSignature.into())
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(trusted) = &self.trusted {
            trusted.verify(end_entity, intermediates, now, &self.provider)?;
            verify_name(end_entity, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms).or_else(|error| {
            verify_again(error, cert, |key| {
                verify_tls12_signature_with_raw_key(message, key, dss, algorithms)
            })
        })
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms).or_else(|error| {
            verify_again(error, cert, |key| {
                verify_tls13_signature_with_raw_key(message, key, dss, algorithms)
            })
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
