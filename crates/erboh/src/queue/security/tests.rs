use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::symm::Cipher;
use openssl::x509::X509Name;
use tempfile::TempDir;

use super::*;

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// A certificate of `ann` that signs itself and is valid between these seconds of the epoch.
fn certificate(key: &PKey<Private>, from: i64, to: i64) -> X509 {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("O", "Rap, Inc").unwrap();
    name.append_entry_by_text("CN", "ann").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(from).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(to).unwrap()).unwrap();
    builder.sign(key, MessageDigest::sha256()).unwrap();
    builder.build()
}

const FAR: i64 = 4_000_000_000;

/// Files of every kind that people give.
struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { directory: tempfile::tempdir().unwrap() };
        let (key, other) = (new_key(), new_key());
        let good = certificate(&key, 0, FAR);
        let encrypted =
            key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"open").unwrap();
        let store = Pkcs12::builder().name("ann").pkey(&key).cert(&good).build2("p").unwrap();
        files.write("cert", &good.to_pem().unwrap());
        files.write("key", &key.private_key_to_pem_pkcs8().unwrap());
        files.write("encrypted", &encrypted);
        files.write("other-key", &other.private_key_to_pem_pkcs8().unwrap());
        files.write("ended", &certificate(&key, 0, 1_000_000_000).to_pem().unwrap());
        files.write("to-come", &certificate(&key, FAR, FAR + 1).to_pem().unwrap());
        files.write("cert.der", &good.to_der().unwrap());
        files.write("key.der", &key.private_key_to_der().unwrap());
        files.write("store", &store.to_der().unwrap());
        files.write("jks", &[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]);
        files.write("public", &key.public_key_to_pem().unwrap());
        files.write("damaged", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        files.write("damaged-key", b"-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----\n");
        files.write("text", b"no certificate at all");
        files.write("empty", b"\n");
        files.write("password", b"open\r\n");
        files.write("wrong", b"shut\n");
        files.write("bytes", &[0xff, 0xfe]);
        files
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.directory.path().join(name), bytes).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// The error of these settings says all of this.
#[track_caller]
fn refused(security: &Security, words: &[&str]) {
    let error = security.properties().unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

fn value<'a>(properties: &'a [(String, String)], name: &str) -> Option<&'a str> {
    properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[test]
fn the_protocol_follows_from_what_is_given() {
    let files = Files::new();
    let protocol = |security: &Security| {
        let properties = security.properties().unwrap();
        value(&properties, "security.protocol").map(str::to_owned)
    };
    let mut security = Security::default();
    assert_eq!(security.properties().unwrap(), [], "nothing is set that nobody has asked for");
    security.tls = true;
    assert_eq!(protocol(&security).as_deref(), Some("ssl"));
    let properties = security.properties().unwrap();
    assert_eq!(value(&properties, "ssl.ca.location"), Some("probe"));
    let ca = Security { ca_file: Some(files.path("cert")), ..Security::default() };
    assert_eq!(protocol(&ca).as_deref(), Some("ssl"));
    let mut user = Security {
        username: Some("ann".into()),
        password_file: Some(files.path("password")),
        ..Security::default()
    };
    assert_eq!(protocol(&user).as_deref(), Some("sasl_plaintext"));
    assert!(user.warning().unwrap().contains("keeps only the password secret"));
    user.mechanism = Some(Mechanism::Plain);
    assert!(user.warning().unwrap().contains("in clear"));
    user.tls = true;
    assert_eq!((protocol(&user).as_deref(), user.warning()), (Some("sasl_ssl"), None));
    let properties = user.properties().unwrap();
    assert_eq!(value(&properties, "sasl.password"), Some("open"), "without its line break");
    assert_eq!(value(&properties, "sasl.mechanism"), Some("PLAIN"));
    user.mechanism = None;
    assert_eq!(value(&user.properties().unwrap(), "sasl.mechanism"), Some("SCRAM-SHA-512"));
}

#[test]
fn halves_of_pairs_are_named() {
    let files = Files::new();
    let some = Some(files.path("cert"));
    let plain = Security::default;
    let both = ["--kafka-cert-file", "--kafka-key-file"];
    refused(&Security { cert_file: some.clone(), ..plain() }, &both);
    refused(&Security { key_file: some.clone(), ..plain() }, &both);
    let words = ["--kafka-key-password-file", "--kafka-key-file"];
    refused(&Security { key_password_file: some.clone(), ..plain() }, &words);
    let both = ["--kafka-username", "--kafka-password-file"];
    refused(&Security { username: Some("ann".into()), ..plain() }, &both);
    refused(&Security { password_file: some, ..plain() }, &both);
    let mechanism = Some(Mechanism::ScramSha256);
    refused(&Security { mechanism, ..plain() }, &["--kafka-sasl-mechanism", "--kafka-username"]);
}

#[test]
fn authorities_are_certificates_in_pem() {
    let files = Files::new();
    let check = |name: &str, words: &[&str]| {
        let security = Security { ca_file: Some(files.path(name)), ..Security::default() };
        refused(&security, &[&["--kafka-ca-file", name], words].concat());
    };
    check("missing", &["cannot be read", "No such file"]);
    check("empty", &["it is empty"]);
    check("key", &["a private key, where a certificate", "--kafka-key-file"]);
    check("cert.der", &["in DER", "openssl x509 -inform der"]);
    check("key.der", &["a private key in DER"]);
    check("store", &["PKCS#12", "user.crt"]);
    check("jks", &["Java key store"]);
    check("public", &["PEM of another kind: PUBLIC KEY"]);
    check("damaged", &["lines are missing"]);
    check("text", &["neither a certificate nor a private key"]);
}

#[test]
fn a_client_is_who_its_files_say_together() {
    let files = Files::new();
    let identity = |cert: &str, key: &str, password: Option<&str>| Security {
        cert_file: Some(files.path(cert)),
        key_file: Some(files.path(key)),
        key_password_file: password.map(|name| files.path(name)),
        ..Security::default()
    };
    let good = identity("cert", "key", None).properties().unwrap();
    assert_eq!(value(&good, "ssl.key.password"), None);
    let good = identity("cert", "encrypted", Some("password")).properties().unwrap();
    assert_eq!(value(&good, "ssl.key.password"), Some("open"));

    refused(&identity("key", "cert", None), &["--kafka-cert-file", "holds a private key"]);
    refused(&identity("cert", "cert", None), &["--kafka-key-file", "holds a certificate"]);
    refused(&identity("cert", "encrypted", None), &["encrypted", "--kafka-key-password-file"]);
    refused(&identity("cert", "encrypted", Some("wrong")), &["does not open it"]);
    refused(&identity("cert", "encrypted", Some("empty")), &["password-file", "it is empty"]);
    refused(&identity("cert", "encrypted", Some("bytes")), &["it is not text"]);
    refused(&identity("cert", "damaged-key", None), &["cannot be read as one"]);
    refused(&identity("cert", "store", None), &["--kafka-key-file", "PKCS#12"]);
    refused(&identity("cert", "other-key", None), &["not the key of", "CN=ann,O=Rap\\, Inc"]);
    refused(&identity("ended", "key", None), &["expired on Sep  9 01:46:40 2001 GMT"]);
    refused(&identity("to-come", "key", None), &["not valid before"]);
}
