//! TLS with the options that Node users know: turns PEM into a client's configuration. It opens no connection:
//! `open.rs` uses the configuration, which the binding makes.

mod certificate;
mod messages;
mod trust;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

pub(crate) use self::messages::explain;
use self::trust::{Trust, Trusted};

/// Why a configuration cannot be used. The message names the option that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTls(String);

impl fmt::Display for BadTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadTls {}

const BAD_KEY: &str = "`tls.key` cannot be used with `tls.cert`: its key must be RSA of 2048 bits or more, \
     ECDSA P-256 or P-384, or Ed25519";

/// Builds a client's configuration for TLS 1.2 and 1.3.
///
/// `ca` holds the certificates to trust. `identity` is a certificate chain and its private key, for servers that ask
/// for one. All of them are PEM.
///
/// # Errors
///
/// [`BadTls`] if a PEM text cannot be parsed, or a key does not fit its certificate.
pub fn configure(
    ca: &[String],
    identity: Option<(&str, &str)>,
    verify: bool,
) -> Result<Arc<ClientConfig>, BadTls> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| BadTls("`tls` cannot be used: no version of TLS is supported".into()))?;
    let trusted = if verify { Some(trusted(ca)?) } else { None };
    let trust = Trust::new(provider, trusted);
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(trust));
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                .map_err(|_| BadTls("`tls.key` is not a private key in PEM".into()))?;
            builder
                .with_client_auth_cert(certificates("tls.cert", cert)?, key)
                .map_err(|_| BadTls(BAD_KEY.into()))?
        }
    };
    Ok(Arc::new(config))
}

/// The certificates to trust. Most instances of a process trust the same ones, namely all that Node trusts. Parsing
/// these takes milliseconds, so the instances share them.
fn trusted(ca: &[String]) -> Result<Arc<Trusted>, BadTls> {
    static LAST: Mutex<(Digest, Weak<Trusted>)> = Mutex::new(([0; 32], Weak::new()));
    let mut digest = Sha256::new();
    for pem in ca {
        digest.update((pem.len() as u64).to_be_bytes());
        digest.update(pem);
    }
    let digest: Digest = digest.finalize().into();
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let (true, Some(trusted)) = (last.0 == digest, last.1.upgrade()) {
        return Ok(trusted);
    }
    let given = ca.iter().map(|pem| certificates("tls.ca", pem)).collect::<Result<Vec<_>, _>>()?;
    let trusted = Arc::new(Trusted::new(given.into_iter().flatten()));
    *last = (digest, Arc::downgrade(&trusted));
    Ok(trusted)
}

type Digest = [u8; 32];

fn certificates(option: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, BadTls> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| BadTls(format!("`{option}` holds no certificate in PEM")))
}
