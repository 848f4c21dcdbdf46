//! Login: a user name and its password, proven to a broker.
//!
//! ```text
//!   SaslHandshake(mechanism) ─► SaslAuthenticate(…) ─► …          PLAIN: one, SCRAM: two
//!
//!   SCRAM (RFC 5802)   n,,n=user,r=ours          ─►
//!                      ◄─ r=ours+theirs,s=salt,i=rounds
//!                      c=biws,r=ours+theirs,p=proof ─►
//!                      ◄─ v=signature
//! ```
//!
//! librdkafka can do the same, but only its callbacks tell how it went, and not every client of it
//! has one that is served.

use std::fmt::Write as _;

use openssl::base64::{decode_block, encode_block};
use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::PKey;
use openssl::rand::rand_bytes;
use openssl::sign::Signer;

use super::api;
use super::wire::{Answer, Stream, Wrong, ask};
use crate::queue::limits::PROBE_SCRAM_ROUNDS_MAX;

/// Who logs in, and how.
#[derive(Clone)]
pub(super) struct Login {
    /// The mechanism's registered name.
    pub(super) mechanism: String,
    pub(super) username: String,
    pub(super) password: String,
}

impl Login {
    /// Whether a probe knows this mechanism.
    pub(super) fn is_known(&self) -> bool {
        self.mechanism == "PLAIN" || self.digest().is_some()
    }

    /// Logs in. The error is the broker's, or says what is odd about its answer; none means that
    /// the connection broke.
    pub(super) fn prove(&self, stream: &mut dyn Stream) -> Result<(), Option<String>> {
        let answer = ask(stream, api::SASL_HANDSHAKE, 1, &string(&self.mechanism));
        let code = answer.ok().and_then(|answer| Answer(&answer).i16()).ok_or(None)?;
        if code != 0 {
            return Err(Some(format!("the handshake ended with error {code}")));
        }
        if let Some(digest) = self.digest() {
            return self.scram(stream, digest);
        }
        let message = format!("\0{}\0{}", self.username, self.password);
        authenticate(stream, message.as_bytes()).map(drop)
    }

    fn digest(&self) -> Option<MessageDigest> {
        match self.mechanism.as_str() {
            "SCRAM-SHA-512" => Some(MessageDigest::sha512()),
            "SCRAM-SHA-256" => Some(MessageDigest::sha256()),
            _ => None,
        }
    }

    fn scram(&self, stream: &mut dyn Stream, digest: MessageDigest) -> Result<(), Option<String>> {
        let mut random = [0; 18];
        rand_bytes(&mut random).map_err(|error| Some(error.to_string()))?;
        let nonce = encode_block(&random);
        // Both characters have a meaning of their own in this language.
        let user = self.username.replace('=', "=3D").replace(',', "=2C");
        let first = format!("n={user},r={nonce}");
        let said = authenticate(stream, format!("n,,{first}").as_bytes())?;
        let answer = self
            .answer(&first, &nonce, &said, digest)
            .ok_or_else(|| Some("its answer is not what SCRAM demands".to_owned()))?;
        authenticate(stream, answer.as_bytes()).map(drop)
    }

    /// What follows from the broker's first message; none if that is not as it should be.
    fn answer(
        &self,
        first: &str,
        nonce: &str,
        said: &[u8],
        digest: MessageDigest,
    ) -> Option<String> {
        let said = std::str::from_utf8(said).ok()?;
        let part = |name: &str| said.split(',').find_map(|part| part.strip_prefix(name));
        let both = part("r=").filter(|both| both.starts_with(nonce))?;
        let salt = decode_block(part("s=")?).ok()?;
        let rounds = part("i=")?.parse().ok().filter(|rounds| *rounds <= PROBE_SCRAM_ROUNDS_MAX)?;
        let mut answer = format!("c=biws,r={both}");
        let all = format!("{first},{said},{answer}");
        let proof = proof(self.password.as_bytes(), &salt, rounds, all.as_bytes(), digest).ok()?;
        write!(answer, ",p={}", encode_block(&proof)).ok()?;
        Some(answer)
    }
}

/// `ClientKey XOR HMAC(H(ClientKey), messages)`, with `ClientKey` from the password.
fn proof(
    password: &[u8],
    salt: &[u8],
    rounds: usize,
    messages: &[u8],
    digest: MessageDigest,
) -> Result<Vec<u8>, ErrorStack> {
    let hmac = |key: &[u8], text: &[u8]| -> Result<Vec<u8>, ErrorStack> {
        Signer::new(digest, &*PKey::hmac(key)?)?.sign_oneshot_to_vec(text)
    };
    let mut salted = vec![0; digest.size()];
    pbkdf2_hmac(password, salt, rounds, digest, &mut salted)?;
    let key = hmac(&salted, b"Client Key")?;
    let signature = hmac(&hash(digest, &key)?, messages)?;
    Ok(key.iter().zip(signature).map(|(key, signature)| key ^ signature).collect())
}

/// One message of a login and its answer.
fn authenticate(stream: &mut dyn Stream, message: &[u8]) -> Result<Vec<u8>, Option<String>> {
    let body = [&(message.len() as i32).to_be_bytes()[..], message].concat();
    let answer = match ask(stream, api::SASL_AUTHENTICATE, 0, &body) {
        Ok(answer) => answer,
        Err(Wrong::Silent(_) | Wrong::Tls | Wrong::Stranger(_)) => return Err(None),
    };
    let mut answer = Answer(&answer);
    let code = answer.i16().ok_or(None)?;
    let reason = answer.string();
    if code == 0 {
        // A null message stood there, whose length is all of it.
        return answer.bytes().map(<[u8]>::to_vec).ok_or(None);
    }
    Err(Some(reason.unwrap_or_else(|| format!("error {code}"))))
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as i16).to_be_bytes()[..], text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3.
    #[test]
    fn the_proof_is_that_of_the_standard() {
        let login = Login {
            mechanism: "SCRAM-SHA-256".into(),
            username: "user".into(),
            password: "pencil".into(),
        };
        let nonce = "rOprNGfwEbeRWgbNEkqO";
        let theirs = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let said = format!("r={nonce}{theirs},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let first = format!("n=user,r={nonce}");
        let digest = login.digest().unwrap();
        let answer = |said: &str| login.answer(&first, nonce, said.as_bytes(), digest);
        let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(answer(&said).unwrap(), format!("c=biws,r={nonce}{theirs},p={proof}"));
        // Another nonce is another conversation, and more rounds than that are an attack.
        assert_eq!(answer(&said.replace(nonce, "other")), None);
        assert_eq!(answer(&said.replace("4096", "2000000000")), None);
        assert_eq!(answer("i=4096"), None);
    }
}
