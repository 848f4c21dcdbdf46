//! Certificate: whom it names and until when, in words.

use openssl::asn1::Asn1Time;
use openssl::x509::{X509NameRef, X509Ref};

/// Whether a certificate is of today; the error says since when not, or from when on.
pub(in crate::queue) fn validity(certificate: &X509Ref) -> Result<(), String> {
    let Ok(now) = Asn1Time::days_from_now(0) else { return Ok(()) };
    if certificate.not_after() < now {
        return Err(format!("the certificate expired on {}", certificate.not_after()));
    }
    if certificate.not_before() > now {
        return Err(format!(
            "the certificate is not valid before {}, by this machine's clock",
            certificate.not_before()
        ));
    }
    Ok(())
}

/// A distinguished name as RFC 2253 writes it, which is how Kafka names who shows a certificate.
pub(in crate::queue) fn distinguished_name(name: &X509NameRef) -> String {
    let mut parts: Vec<String> = name
        .entries()
        .map(|entry| {
            let kind = entry.object().nid().short_name().unwrap_or("?");
            let value = entry.data().to_string().map(|value| escaped(&value)).unwrap_or_default();
            format!("{kind}={value}")
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}
