//! Content: what a file is that should be a certificate or a key.
//!
//! Kubernetes secrets, Java tools and mail attachments all call their files `.crt`, `.key` or
//! `.pem`, so only the bytes tell.

use std::fmt;

use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

/// Java's own key store format begins so.
const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

/// What the bytes of a file are.
pub(super) enum Content {
    /// PEM with these certificates, at least one.
    Certificates(Vec<X509>),
    /// PEM with a private key.
    Key {
        /// Whether a password is needed to read it.
        encrypted: bool,
    },
    Empty,
    DerCertificate,
    DerKey,
    Pkcs12,
    JavaKeyStore,
    /// PEM of something else: what its first line says.
    OtherPem(String),
    /// PEM of a certificate that cannot be read.
    Damaged,
    Unknown,
}

impl Content {
    pub(super) fn of(bytes: &[u8]) -> Self {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Self::Empty;
        }
        if bytes.starts_with(&JKS) {
            return Self::JavaKeyStore;
        }
        let text = String::from_utf8_lossy(bytes);
        let labels: Vec<&str> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
            .collect();
        // A file with both is read for what it begins with, as librdkafka does not care.
        match labels.first() {
            Some(&("CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CERTIFICATE")) => {
                match X509::stack_from_pem(bytes) {
                    Ok(found) if !found.is_empty() => Self::Certificates(found),
                    _ => Self::Damaged,
                }
            }
            Some(label) if label.ends_with("PRIVATE KEY") && !label.starts_with("OPENSSH") => {
                // The older form says so in a line of its own.
                let encrypted =
                    label.starts_with("ENCRYPTED") || text.contains("Proc-Type: 4,ENCRYPTED");
                Self::Key { encrypted }
            }
            Some(label) => Self::OtherPem((*label).to_owned()),
            None if X509::from_der(bytes).is_ok() => Self::DerCertificate,
            None if PKey::private_key_from_der(bytes).is_ok() => Self::DerKey,
            None if Pkcs12::from_der(bytes).is_ok() => Self::Pkcs12,
            None => Self::Unknown,
        }
    }

    /// What to do about a file that is neither certificates nor a key.
    pub(super) fn way_out(&self) -> &'static str {
        match self {
            Self::Pkcs12 | Self::JavaKeyStore => {
                "give the PEM files instead; Strimzi writes them as user.crt, user.key and ca.crt \
                 into the same secrets"
            }
            Self::DerCertificate => {
                "make PEM of it: openssl x509 -inform der -in FILE -out FILE.pem"
            }
            Self::DerKey => "make PEM of it: openssl pkey -inform der -in FILE -out FILE.pem",
            _ => "give a PEM file, which begins with -----BEGIN",
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificates(_) => "it holds certificates",
            Self::Key { .. } => "it holds a private key",
            Self::Empty => "it is empty",
            Self::DerCertificate => "it is a certificate in DER, not in PEM",
            Self::DerKey => "it is a private key in DER, not in PEM",
            Self::Pkcs12 => "it is a PKCS#12 key store, not PEM",
            Self::JavaKeyStore => "it is a Java key store, not PEM",
            Self::OtherPem(label) => return write!(f, "it is PEM of another kind: {label}"),
            Self::Damaged => "its certificate cannot be read: lines are missing or changed",
            Self::Unknown => "it is neither a certificate nor a private key",
        })
    }
}

/// The private key in PEM. Without a callback OpenSSL would ask a terminal for the password.
pub(super) fn key(pem: &[u8], password: Option<&str>) -> Option<PKey<Private>> {
    let password = password.unwrap_or_default().as_bytes();
    let give = |place: &mut [u8]| {
        let Some(part) = place.get_mut(..password.len()) else { return Ok(0) };
        part.copy_from_slice(password);
        Ok(password.len())
    };
    PKey::private_key_from_pem_callback(pem, give).ok()
}
