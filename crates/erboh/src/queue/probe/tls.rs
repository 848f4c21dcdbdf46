//! Tls: the handshake as librdkafka does it, and whose fault it is when it fails.
//!
//! librdkafka says "certificate verify failed" of an unknown authority, another host's certificate
//! and an expired one alike. OpenSSL knows which it was, if it is asked.

use std::net::{IpAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use openssl::error::ErrorStack;
use openssl::ssl::{
    HandshakeError, SslConnector, SslConnectorBuilder, SslMethod, SslStream, SslVerifyMode,
};
use openssl::x509::{X509, X509Ref, X509StoreContextRef};

use crate::queue::security::{distinguished_name, private_key_of, validity};

/// Where systems keep the authorities that they trust, in librdkafka's order; the first one that
/// exists counts.
const SYSTEM: [&str; 5] = [
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs/ca-certificates.crt",
];

/// OpenSSL's numbers for what is wrong with a certificate (`X509_V_ERR_…`).
mod verdict {
    pub(super) const NOT_YET_VALID: i32 = 9;
    pub(super) const HAS_EXPIRED: i32 = 10;
    pub(super) const HOSTNAME_MISMATCH: i32 = 62;
    pub(super) const IP_ADDRESS_MISMATCH: i32 = 64;
    /// No way to a trusted authority: unknown, signed by itself, or not the one that signed.
    pub(super) const UNTRUSTED: [i32; 6] = [2, 7, 18, 19, 20, 21];
}

/// How the client does TLS.
#[derive(Clone)]
pub(super) struct Tls {
    /// Its authorities; none are the system's.
    pub(super) ca: Option<PathBuf>,
    /// Its certificate and key, with the key's password.
    pub(super) identity: Option<(PathBuf, PathBuf, Option<String>)>,
    /// Whether it looks at the broker's certificate at all, and at the name in it.
    pub(super) verify: (bool, bool),
}

/// Why there is no TLS connection.
pub(super) enum Failure {
    /// We do not trust the broker's certificate.
    Untrusted(String),
    /// The broker refuses ours, or misses it.
    Refused(String),
    /// What answers does not speak TLS, or does not answer.
    NoTls,
    /// The settings cannot be used; librdkafka says how.
    Unusable,
}

impl Tls {
    /// Greets a broker.
    pub(super) fn greet(
        &self,
        host: &str,
        tcp: TcpStream,
    ) -> Result<SslStream<TcpStream>, Failure> {
        let found = Arc::new(Mutex::new(None));
        let connector = self.connector(&found).map_err(|_| Failure::Unusable)?;
        let configured = connector.configure().map_err(|_| Failure::Unusable)?;
        let (_, name) = self.verify;
        let configured = configured.verify_hostname(name);
        let failed = match configured.connect(host, tcp) {
            Ok(stream) => return Ok(stream),
            Err(HandshakeError::SetupFailure(_)) => return Err(Failure::Unusable),
            Err(HandshakeError::WouldBlock(_)) => return Err(Failure::NoTls),
            Err(HandshakeError::Failure(failed)) => failed,
        };
        let found = found.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(match (found, self.refusal(&failed.error().to_string())) {
            (Some((code, certificate)), _) => {
                Failure::Untrusted(self.untrusted(code, &certificate, host))
            }
            (None, Some(refusal)) => Failure::Refused(refusal),
            (None, None) => Failure::NoTls,
        })
    }

    /// What a TLS alert in an error text says about us, if there is one. Since TLS 1.3 a broker
    /// looks at the client's certificate when the client takes the handshake for done.
    pub(super) fn refusal(&self, error: &str) -> Option<String> {
        let (_, alert) = error.split_once("alert ")?;
        let alert = alert.split(':').next().unwrap_or(alert).trim();
        Some(match &self.identity {
            None if alert.contains("certificate") => {
                format!("demands a client certificate, and we show none (TLS alert: {alert})")
            }
            Some((file, ..)) if alert.contains("certificate") || alert.contains("unknown ca") => {
                let (file, whose) = (file.display(), whose(file));
                format!("refuses the client certificate in {file}{whose} (TLS alert: {alert})")
            }
            _ => format!("refuses the TLS connection (alert: {alert})"),
        })
    }

    fn connector(&self, found: &Arc<Mutex<Option<Found>>>) -> Result<SslConnector, ErrorStack> {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        match &self.ca {
            Some(file) if file.is_dir() => builder.load_verify_locations(None, Some(file))?,
            Some(file) => builder.set_ca_file(file)?,
            None => {
                if let Some(file) = SYSTEM.iter().find(|file| Path::new(file).exists()) {
                    builder.set_ca_file(file)?;
                }
            }
        }
        self.show(&mut builder)?;
        let (verify, _) = self.verify;
        let mode = if verify { SslVerifyMode::PEER } else { SslVerifyMode::NONE };
        let found = Arc::clone(found);
        builder.set_verify_callback(mode, move |good, context: &mut X509StoreContextRef| {
            if !good {
                let code = context.error().as_raw();
                let certificate = Shown::at_fault(code, context).unwrap_or_default();
                // The first thing that is wrong is the one to mend.
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.get_or_insert((code, certificate));
            }
            good || !verify
        });
        Ok(builder.build())
    }

    fn show(&self, builder: &mut SslConnectorBuilder) -> Result<(), ErrorStack> {
        let Some((certificate, key, password)) = &self.identity else { return Ok(()) };
        builder.set_certificate_chain_file(certificate)?;
        match private_key_of(key, password.as_deref()) {
            Some(key) => builder.set_private_key(&key),
            None => Ok(()),
        }
    }

    fn untrusted(&self, code: i32, certificate: &Shown, host: &str) -> String {
        let Shown { subject, issuer, names, from, to } = certificate;
        match code {
            verdict::HAS_EXPIRED => {
                format!("shows a certificate of {subject} that expired on {to}")
            }
            verdict::NOT_YET_VALID => {
                format!("shows a certificate of {subject} that is not valid before {from}")
            }
            verdict::HOSTNAME_MISMATCH | verdict::IP_ADDRESS_MISMATCH => {
                format!("shows a certificate for {names}, and not for {host}")
            }
            code if verdict::UNTRUSTED.contains(&code) => match &self.ca {
                Some(file) => format!(
                    "shows a certificate of {subject} issued by {issuer}, which is none of the \
                     authorities in {}",
                    file.display()
                ),
                None => format!(
                    "shows a certificate of {subject} issued by {issuer}, which is none of the \
                     authorities that this system trusts"
                ),
            },
            code => {
                format!("shows a certificate of {subject} that OpenSSL refuses with verdict {code}")
            }
        }
    }
}

/// A verdict, and the certificate that it is about.
type Found = (i32, Shown);

/// A certificate in words.
#[derive(Default)]
struct Shown {
    subject: String,
    issuer: String,
    names: String,
    from: String,
    to: String,
}

impl Shown {
    /// The certificate that is at fault, or for want of an authority the broker's own.
    fn at_fault(code: i32, context: &X509StoreContextRef) -> Option<Self> {
        let last = context.current_cert()?;
        if !verdict::UNTRUSTED.contains(&code) {
            return Some(Self::of(last));
        }
        // The chain begins with it and ends with whose issuer nobody knows.
        let own = context.chain().and_then(|chain| chain.get(0)).map(Self::of);
        let issuer = distinguished_name(last.issuer_name());
        Some(Self { issuer, ..own.unwrap_or_else(|| Self::of(last)) })
    }

    fn of(certificate: &X509Ref) -> Self {
        let names = certificate.subject_alt_names().into_iter().flatten();
        let names: Vec<String> = names
            .filter_map(|name| {
                name.dnsname().map(str::to_owned).or_else(|| address(name.ipaddress()?))
            })
            .collect();
        let subject = distinguished_name(certificate.subject_name());
        Self {
            names: if names.is_empty() { subject.clone() } else { names.join(", ") },
            subject,
            issuer: distinguished_name(certificate.issuer_name()),
            from: certificate.not_before().to_string(),
            to: certificate.not_after().to_string(),
        }
    }
}

/// An IP address as certificates hold it.
fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let any = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    any.ok().map(|address| address.to_string())
}

/// What can be seen in our own certificate about why it is refused.
fn whose(file: &Path) -> String {
    let certificate = std::fs::read(file).ok().and_then(|pem| X509::from_pem(&pem).ok());
    let Some(certificate) = certificate else { return String::new() };
    let subject = distinguished_name(certificate.subject_name());
    let issuer = distinguished_name(certificate.issuer_name());
    match validity(&certificate) {
        Ok(()) => format!(", of {subject} issued by {issuer}"),
        Err(problem) => format!(", of {subject}: {problem}"),
    }
}
