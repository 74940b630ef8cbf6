//! Reads a server's certificate for the checks that rustls does not offer: its own names, dates and uses.

use rustls::CertificateError;
use rustls::pki_types::{SubjectPublicKeyInfoDer, UnixTime};
use x509_cert::certificate::{CertificateInner, Raw, TbsCertificateInner, Version};
use x509_cert::der::asn1::{Any, Ia5String};
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::oid::db::rfc5280::{
    ID_CE_BASIC_CONSTRAINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE, ID_CE_SUBJECT_ALT_NAME,
    ID_KP_SERVER_AUTH,
};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::name::{DirectoryString, GeneralName};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

/// The extensions that are understood here.
const UNDERSTOOD: [x509_cert::der::oid::ObjectIdentifier; 4] =
    [ID_CE_BASIC_CONSTRAINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE, ID_CE_SUBJECT_ALT_NAME];

/// How many of a certificate's names a message shows, and how many characters of each.
const MAX_NAMES: usize = 5;
const MAX_NAME_CHARS: usize = 64;

/// A certificate that could be parsed.
pub(crate) struct Certificate(CertificateInner<Raw>);

impl Certificate {
    pub fn read(der: &[u8]) -> Option<Self> {
        CertificateInner::from_der(der).ok().map(Self)
    }

    /// Whether its issuer is itself.
    pub fn is_self_issued(&self) -> bool {
        self.tbs().issuer() == self.tbs().subject()
    }

    /// Whether it is of version 1, which has no extensions.
    pub fn is_version_1(&self) -> bool {
        self.tbs().version() == Version::V1
    }

    /// Whether it says that it may issue others.
    pub fn is_authority(&self) -> bool {
        matches!(self.tbs().get_extension::<BasicConstraints>(), Ok(Some((_, it))) if it.ca)
    }

    /// Whether its key is an RSA key of fewer than 2048 bits. Such a key has fewer bytes even with its encoding.
    pub fn has_short_key(&self) -> bool {
        let key = self.tbs().subject_public_key_info();
        let is_rsa = key.algorithm.oid == x509_cert::der::oid::db::rfc5912::RSA_ENCRYPTION;
        is_rsa && key.subject_public_key.raw_bytes().len() < 2048 / 8
    }

    /// Its key, in DER.
    pub fn key(&self) -> Option<SubjectPublicKeyInfoDer<'static>> {
        self.tbs().subject_public_key_info().to_der().ok().map(Into::into)
    }

    /// Checks the requirements of a server's certificate that need no issuer.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check_use(&self, now: UnixTime) -> Result<(), CertificateError> {
        let (not_before, not_after) = self.validity();
        if now < not_before {
            return Err(CertificateError::NotValidYetContext { time: now, not_before });
        }
        if now > not_after {
            return Err(CertificateError::ExpiredContext { time: now, not_after });
        }
        if self.is_critically_unknown() {
            return Err(CertificateError::UnhandledCriticalExtension);
        }
        if self.is_for_servers() { Ok(()) } else { Err(CertificateError::InvalidPurpose) }
    }

    /// Whether it has a critical extension that is not understood here.
    pub fn is_critically_unknown(&self) -> bool {
        let extensions = self.tbs().extensions().into_iter().flatten();
        let mut critical = extensions.filter(|extension| extension.critical);
        critical.any(|extension| !UNDERSTOOD.contains(&extension.extn_id))
    }

    /// The beginning and the end of its validity.
    pub fn validity(&self) -> (UnixTime, UnixTime) {
        let validity = self.tbs().validity();
        let time =
            |time: x509_cert::time::Time| UnixTime::since_unix_epoch(time.to_unix_duration());
        (time(validity.not_before), time(validity.not_after))
    }

    /// Whether a server may use its key in TLS, by OpenSSL's rules.
    pub fn is_for_servers(&self) -> bool {
        let purposes = self.tbs().get_extension::<ExtendedKeyUsage>();
        let uses = self.tbs().get_extension::<KeyUsage>();
        let (Ok(purposes), Ok(uses)) = (purposes, uses) else { return false };
        let in_tls = |uses: KeyUsage| {
            uses.digital_signature() || uses.key_encipherment() || uses.key_agreement()
        };
        purposes.is_none_or(|(_, purposes)| purposes.0.contains(&ID_KP_SERVER_AUTH))
            && uses.is_none_or(|(_, uses)| in_tls(uses))
    }

    /// Whether its common name is that of a host, by Node's rules: the common name counts only if there is no DNS
    /// name.
    pub fn is_commonly_for(&self, host: &str) -> bool {
        let has_dns_name = self
            .alternative_names()
            .is_none_or(|names| names.iter().any(|name| matches!(name, GeneralName::DnsName(_))));
        !has_dns_name && self.common_names().any(|name| matches_host(&name, host))
    }

    /// Some of its names, for a message.
    pub fn names(&self) -> Vec<String> {
        let alternative = self.alternative_names().unwrap_or_default().into_iter();
        let mut names: Vec<_> = alternative
            .filter_map(|name| match name {
                GeneralName::DnsName(name) => Some(name.to_string()),
                GeneralName::IpAddress(ip) => read_ip(ip.as_bytes()),
                _ => None,
            })
            .collect();
        if names.is_empty() {
            names.extend(self.common_names());
        }
        let printable = |name: String| {
            name.chars().filter(char::is_ascii_graphic).take(MAX_NAME_CHARS).collect()
        };
        names.into_iter().take(MAX_NAMES).map(printable).collect()
    }

    /// `None` if they cannot be parsed.
    fn alternative_names(&self) -> Option<Vec<GeneralName>> {
        let names = self.tbs().get_extension::<SubjectAltName>().ok()?;
        Some(names.map_or_else(Vec::new, |(_, names)| names.0))
    }

    fn common_names(&self) -> impl Iterator<Item = String> {
        let attributes = self.tbs().subject().iter();
        attributes.filter(|name| name.oid == COMMON_NAME).filter_map(|name| read_text(&name.value))
    }

    fn tbs(&self) -> &TbsCertificateInner<Raw> {
        self.0.tbs_certificate()
    }
}

fn read_text(value: &Any) -> Option<String> {
    let directory = value.decode_as::<DirectoryString>().map(String::from);
    directory.or_else(|_| value.decode_as::<Ia5String>().map(|text| text.to_string())).ok()
}

fn read_ip(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|v4| std::net::Ipv4Addr::from(v4).to_string());
    let v6 = || <[u8; 16]>::try_from(bytes).map(|v6| std::net::Ipv6Addr::from(v6).to_string());
    v4.or_else(|_| v6()).ok()
}

/// Whether a name of a certificate, which may have one `*` in its first label, matches a host, as in Node's
/// `checkServerIdentity` (<https://nodejs.org/api/tls.html>, RFC 6125, section 6.4).
fn matches_host(name: &str, host: &str) -> bool {
    if !name.chars().all(|c| c.is_ascii_graphic()) {
        return false;
    }
    let labels = |name: &str| -> Vec<String> {
        let name = name.strip_suffix('.').unwrap_or(name);
        name.to_ascii_lowercase().split('.').map(str::to_owned).collect()
    };
    let (name, host) = (labels(name), labels(host));
    let ([first, rest @ ..], [host_first, host_rest @ ..]) = (&name[..], &host[..]) else {
        return false;
    };
    if rest != host_rest || name.iter().any(String::is_empty) {
        return false;
    }
    match first.split('*').collect::<Vec<_>>()[..] {
        [_] => first == host_first,
        [begin, end] => {
            // A `*` must not match a whole top-level domain, or a part of an internationalized name.
            rest.len() >= 2
                && !first.contains("xn--")
                && begin.len() + end.len() <= host_first.len()
                && host_first.starts_with(begin)
                && host_first.ends_with(end)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_hosts_as_in_node() {
        for (name, host, expected) in [
            ("localhost", "localhost", true),
            ("LocalHost", "localhost", true),
            ("localhost.", "localhost", true),
            ("localhost", "localhost.", true),
            ("redis.example.org", "redis.example.org", true),
            ("example.org", "redis.example.org", false),
            ("redis.example.org", "example.org", false),
            ("*.example.org", "redis.example.org", true),
            ("r*s.example.org", "redis.example.org", true),
            ("red*dis.example.org", "redis.example.org", false),
            ("*.example.org", "a.redis.example.org", false),
            ("*.example.org", "example.org", false),
            ("*.org", "example.org", false),
            ("*", "localhost", false),
            ("*.*.example.org", "a.b.example.org", false),
            ("**.example.org", "redis.example.org", false),
            ("xn--*.example.org", "xn--redis.example.org", false),
            ("a..example.org", "a..example.org", false),
            ("local host", "local host", false),
            ("localhost\0.evil", "localhost", false),
            ("", "", false),
        ] {
            assert_eq!(matches_host(name, host), expected, "{name} for {host}");
        }
    }
}
