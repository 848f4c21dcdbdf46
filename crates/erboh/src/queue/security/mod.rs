//! Security: how a client and the brokers make sure of each other, from files to properties.
//!
//! ```text
//!   CA file ─────────────► is this our broker?        TLS
//!   certificate + key ───► are you our client?        TLS with client certificates (mTLS)
//!   user name + password ► who are you?               SASL, by SCRAM or PLAIN
//! ```
//!
//! Everything is read and checked before a connection is opened: librdkafka and the brokers say
//! "key values mismatch" or nothing at all about what can be seen in the files.

mod certificate;
mod content;

use std::fs;
use std::path::{Path, PathBuf};

use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

pub(super) use certificate::{distinguished_name, validity};
use content::Content;

/// Where librdkafka finds the system's authorities: it goes through the usual places. Without
/// being told, it asks OpenSSL, which is linked statically and knows none of this system.
const SYSTEM: &str = "probe";

/// How a password is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mechanism {
    /// SCRAM-SHA-512 (RFC 5802): the password itself is never sent.
    #[default]
    ScramSha512,
    /// SCRAM-SHA-256.
    ScramSha256,
    /// PLAIN (RFC 4616): the password itself is sent, so it needs TLS.
    Plain,
}

impl Mechanism {
    /// Its registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
        }
    }
}

/// What a user has said about security.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Security {
    /// TLS is wished for, even without any file.
    pub tls: bool,
    /// Authorities that brokers' certificates may be signed by; without it the system's.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate, and those between it and its authority.
    pub cert_file: Option<PathBuf>,
    /// The client certificate's private key.
    pub key_file: Option<PathBuf>,
    /// The password of an encrypted key.
    pub key_password_file: Option<PathBuf>,
    /// Who logs in.
    pub username: Option<String>,
    /// The password of whoever logs in.
    pub password_file: Option<PathBuf>,
    /// How it is proven.
    pub mechanism: Option<Mechanism>,
}

/// A setting that cannot work, by its flag, with the cause and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecurityError(String);

type Result<T> = std::result::Result<T, SecurityError>;

impl Security {
    /// The properties of librdkafka that follow, with the secrets read from their files.
    ///
    /// # Errors
    /// What is missing, contradicts itself, or is not what it should be.
    pub fn properties(&self) -> Result<Vec<(String, String)>> {
        self.check_pairs()?;
        let mut properties = Vec::new();
        let mut set = |name: &str, value: String| properties.push((name.to_owned(), value));
        if self.uses_tls() {
            match &self.ca_file {
                Some(file) => {
                    certificates("--kafka-ca-file", file)?;
                    set("ssl.ca.location", shown(file));
                }
                None => set("ssl.ca.location", SYSTEM.to_owned()),
            }
        }
        if let (Some(cert_file), Some(key_file)) = (&self.cert_file, &self.key_file) {
            let password = match &self.key_password_file {
                Some(file) => Some(secret("--kafka-key-password-file", file)?),
                None => None,
            };
            check_identity(cert_file, key_file, password.as_deref())?;
            set("ssl.certificate.location", shown(cert_file));
            set("ssl.key.location", shown(key_file));
            if let Some(password) = password {
                set("ssl.key.password", password);
            }
        }
        if let (Some(username), Some(file)) = (&self.username, &self.password_file) {
            set("sasl.mechanism", self.mechanism.unwrap_or_default().name().to_owned());
            set("sasl.username", username.clone());
            set("sasl.password", secret("--kafka-password-file", file)?);
        }
        if let Some(protocol) = self.protocol() {
            set("security.protocol", protocol.to_owned());
        }
        Ok(properties)
    }

    /// What is allowed but should not stay so, if anything.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        if self.username.is_none() || self.uses_tls() {
            return None;
        }
        Some(if self.mechanism == Some(Mechanism::Plain) {
            "the password is sent to the brokers in clear: without TLS everybody on the way reads it; \
             use a listener with TLS, and --kafka-tls or --kafka-ca-file"
        } else {
            "nothing that is sent to the brokers is encrypted, and nobody can tell whether they are \
             ours: SCRAM keeps only the password secret; use a listener with TLS, and --kafka-tls or \
             --kafka-ca-file"
        })
    }

    fn uses_tls(&self) -> bool {
        self.tls || self.ca_file.is_some() || self.cert_file.is_some() || self.key_file.is_some()
    }

    fn protocol(&self) -> Option<&'static str> {
        match (self.uses_tls(), self.username.is_some()) {
            (false, false) => None,
            (true, false) => Some("ssl"),
            (false, true) => Some("sasl_plaintext"),
            (true, true) => Some("sasl_ssl"),
        }
    }

    /// Settings that say nothing one without the other.
    fn check_pairs(&self) -> Result<()> {
        let needs = |given: bool, one: &str, other: bool, another: &str, why: &str| {
            if given && !other {
                return Err(SecurityError(format!("{one} needs {another}: {why}")));
            }
            Ok(())
        };
        let (cert, key) = (self.cert_file.is_some(), self.key_file.is_some());
        let (user, password) = (self.username.is_some(), self.password_file.is_some());
        let identity = "a certificate is of use only to whoever has its private key";
        needs(cert, "--kafka-cert-file", key, "--kafka-key-file", identity)?;
        needs(key, "--kafka-key-file", cert, "--kafka-cert-file", identity)?;
        let why = "it is the password of the private key";
        let key_password = self.key_password_file.is_some();
        needs(key_password, "--kafka-key-password-file", key, "--kafka-key-file", why)?;
        let login = "a login is a user name with a password";
        needs(user, "--kafka-username", password, "--kafka-password-file", login)?;
        needs(password, "--kafka-password-file", user, "--kafka-username", login)?;
        let why = "it says how a user's password is proven";
        let mechanism = self.mechanism.is_some();
        needs(mechanism, "--kafka-sasl-mechanism", user, "--kafka-username", why)
    }
}

/// Certificate and key of a client: both readable, of each other, and of today.
fn check_identity(cert_file: &Path, key_file: &Path, password: Option<&str>) -> Result<()> {
    let (cert_flag, key_flag) = ("--kafka-cert-file", "--kafka-key-file");
    let chain = certificates(cert_flag, cert_file)?;
    let key = private_key(key_flag, key_file, password)?;
    let Some(leaf) = chain.first() else { return Ok(()) };
    if !leaf.public_key().is_ok_and(|public| public.public_eq(&key)) {
        let of = distinguished_name(leaf.subject_name());
        return Err(SecurityError(format!(
            "{key_flag} {} is not the key of the certificate in {cert_flag} {} (of {of}): take both \
             from the same secret; a file with several certificates begins with the client's own",
            key_file.display(),
            cert_file.display()
        )));
    }
    match validity(leaf) {
        Ok(()) => Ok(()),
        Err(problem) => Err(wrong(cert_flag, cert_file, &problem, "issue it anew")),
    }
}

/// Every certificate of a file; at least one.
fn certificates(flag: &str, file: &Path) -> Result<Vec<X509>> {
    match Content::of(&read(flag, file)?) {
        Content::Certificates(found) => Ok(found),
        Content::Key { .. } => Err(wrong(
            flag,
            file,
            "it holds a private key, where a certificate is expected",
            "give the key with --kafka-key-file and the certificate here",
        )),
        other => Err(wrong(flag, file, &other.to_string(), other.way_out())),
    }
}

fn private_key(flag: &str, file: &Path, password: Option<&str>) -> Result<PKey<Private>> {
    let bytes = read(flag, file)?;
    let encrypted = match Content::of(&bytes) {
        Content::Key { encrypted } => encrypted,
        Content::Certificates(_) => {
            let found = "it holds a certificate, where a private key is expected";
            let way_out = "give the certificate with --kafka-cert-file and its key here";
            return Err(wrong(flag, file, found, way_out));
        }
        other => return Err(wrong(flag, file, &other.to_string(), other.way_out())),
    };
    if encrypted && password.is_none() {
        let way_out = "give its password with --kafka-key-password-file";
        return Err(wrong(flag, file, "the key is encrypted", way_out));
    }
    content::key(&bytes, password).ok_or_else(|| {
        if encrypted {
            let found = "the password of --kafka-key-password-file does not open it";
            wrong(flag, file, found, "give the password that it was encrypted with")
        } else {
            let found = "it is marked as a private key, but cannot be read as one";
            wrong(flag, file, found, "copy it again, with all of its lines")
        }
    })
}

/// A secret that is the content of a file. Files end in a line break that is no part of it.
fn secret(flag: &str, file: &Path) -> Result<String> {
    let text = String::from_utf8(read(flag, file)?)
        .map_err(|_| wrong(flag, file, "it is not text", "write the password alone into it"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(wrong(flag, file, "it is empty", "write the password into it"));
    }
    Ok(text.to_owned())
}

fn read(flag: &str, file: &Path) -> Result<Vec<u8>> {
    fs::read(file).map_err(|error| {
        let cause = format!("cannot be read: {error}");
        wrong(flag, file, &cause, "give the path of a file that this user may read")
    })
}

fn wrong(flag: &str, file: &Path, cause: &str, way_out: &str) -> SecurityError {
    SecurityError(format!("{flag} {}: {cause}; {way_out}", file.display()))
}

fn shown(file: &Path) -> String {
    file.to_string_lossy().into_owned()
}

/// Whom the certificate in a file names.
pub(super) fn name_of_certificate(file: &Path) -> Option<String> {
    let certificate = X509::from_pem(&fs::read(file).ok()?).ok()?;
    Some(distinguished_name(certificate.subject_name()))
}

/// The private key of a file that was checked before, as a probe uses it.
pub(super) fn private_key_of(file: &Path, password: Option<&str>) -> Option<PKey<Private>> {
    content::key(&fs::read(file).ok()?, password)
}

#[cfg(test)]
mod tests;
