//! Explains why TLS failed and what to do. The messages of rustls are for Rust developers.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use x509_cert::der::DateTime;

use super::trust::Untrusted;

const NOTHING_IN_COMMON: &str = "the server has no cipher, key exchange or kind of key for us (it needs ECDHE \
     with AES-GCM or CHACHA20-POLY1305, and a certificate of RSA, ECDSA P-256 or P-384, or Ed25519)";

const TOO_OLD: &str = "the server speaks neither TLS 1.2 nor TLS 1.3 (let it speak one of them)";

/// Explains why TLS failed. `None` if the error is not one of TLS.
pub(crate) fn explain(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(format!("TLS failed: {}", words(error)))
}

fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => TOO_OLD.into(),
        Error::PeerIncompatible(_) => NOTHING_IN_COMMON.into(),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
            "the server's answer is not TLS (does it speak TLS at this port?)".into()
        }
        Error::NoCertificatesPresented => "the server showed no certificate (give it one)".into(),
        _ => "the server broke a rule of the protocol (is there a proxy that changes it?)".into(),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    let it_or_issuer = "the server's certificate, or that of one of its issuers,";
    let renew = "(renew it, or set this machine's clock)";
    match error {
        CertificateError::Other(other) => match other.0.downcast_ref::<Untrusted>() {
            Some(untrusted) => untrusted.to_string(),
            None => format!("{it_or_issuer} breaks a rule of X.509 (issue it anew)"),
        },
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("{it_or_issuer} expired on {} {renew}", day(not_after.as_secs()))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("{it_or_issuer} is not valid until {} {renew}", day(not_before.as_secs()))
        }
        CertificateError::UnknownIssuer => {
            "nobody who is trusted has issued the server's certificate (give the certificate of its issuer \
             as `tls.ca`)"
                .into()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = if presented.is_empty() { "no host".into() } else { presented.join(", ") };
            format!(
                "the server's certificate is for {names}, not for {} (connect by a name that it has, or give \
                 one as `tls.servername`)",
                expected.to_str()
            )
        }
        CertificateError::BadSignature => {
            format!("{it_or_issuer} is not signed by the key that it should be (is `tls.ca` of another key?)")
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => format!(
            "{it_or_issuer} is signed in a way that is not supported (use RSA, ECDSA P-256 or P-384, or \
             Ed25519, with SHA-256 or longer)"
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the server's certificate is not for servers (issue one with the use serverAuth)".into()
        }
        CertificateError::UnhandledCriticalExtension => {
            format!("{it_or_issuer} has a critical extension that is not supported (issue it without)")
        }
        CertificateError::BadEncoding => format!("{it_or_issuer} cannot be read (issue it anew)"),
        _ => format!("{it_or_issuer} cannot be verified (issue it anew)"),
    }
}

fn of_alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            format!("{NOTHING_IN_COMMON}, or asks for a client's certificate (`tls.cert` and `tls.key`)")
        }
        AlertDescription::ProtocolVersion => TOO_OLD.into(),
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            "the server asks for a client's certificate (give `tls.cert` and `tls.key`)".into()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => {
            "the server refuses the client's certificate (is `tls.cert` of an issuer that it trusts, and \
             still valid?)"
                .into()
        }
        AlertDescription::UnrecognisedName => {
            "the server knows no such name (give one that it knows as `tls.servername`)".into()
        }
        alert => format!("the server ended it (its log says why; alert {})", u8::from(alert)),
    }
}

/// The day, as `2021-01-31`.
fn day(seconds: u64) -> String {
    let date = DateTime::from_unix_duration(std::time::Duration::from_secs(seconds));
    date.map_or_else(
        |_| "a day that is not told".into(),
        |date| format!("{}-{:02}-{:02}", date.year(), date.month(), date.day()),
    )
}
