//! What must not be found, in every form in which it might have been written.

use saphan_schemas::b64;
use serde_json::Value;

/// Texts to look for, each with what it is.
#[derive(Default)]
pub(super) struct Needles(Vec<(&'static str, String)>);

impl Needles {
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// A text as it is.
    pub(super) fn text(&mut self, what: &'static str, text: &str) {
        // Random base64 holds shorter ones by chance, if there is enough of it.
        assert!(text.len() >= LEAST, "{what}: too short to be found only where it is");
        self.0.push((what, text.to_owned()));
    }

    /// Bytes, as programs write them.
    pub(super) fn bytes(&mut self, what: &'static str, bytes: &[u8]) {
        assert!(bytes.len() >= 16, "{what}: too short to be found only where it is");
        let hex = |separator: &str| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(separator);
        self.text(what, &b64::encode_url(bytes));
        self.text(what, b64::encode_std(bytes).trim_end_matches('='));
        self.text(what, &hex(""));
        self.text(what, &hex(":"));
        self.text(what, &hex("").to_uppercase());
        // `Debug` of a Rust slice, and Erlang's of a binary.
        self.text(what, &bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", "));
        self.text(what, &bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(","));
    }

    /// A private key in PEM: its lines, and the number in it that is the secret.
    pub(super) fn private_key(&mut self, pem: &str) {
        let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = b64::decode_std(lines.concat()).unwrap();
        for line in lines.into_iter().filter(|line| line.len() >= 16) {
            self.text("a line of a private key", line);
        }
        // An octet string of 32 bytes, of a private key on P-256 (RFC 5915) and of Ed25519 (RFC 8410) alike.
        let at = der.windows(2).position(|window| window == [4, 32]).expect("a number of 32 bytes");
        self.bytes("the secret number of a private key", &der[at + 2..at + 34]);
    }

    /// The invitation's code, with its dashes and without.
    pub(super) fn code(&mut self, code: &str) {
        for code in [code.to_owned(), code.replace('-', "")] {
            self.text("an invitation's code", &code.to_lowercase());
            self.text("an invitation's code", &code.to_uppercase());
        }
    }

    /// The body of an application: all that it says about its applicant, and its bytes as leases carry them.
    pub(super) fn body(&mut self, body: &[u8]) {
        let parsed: Value = serde_json::from_slice(body).unwrap();
        self.person(&parsed["applicant"]);
        self.text("a body in base64", &b64::encode_std(body)[40..120]);
        self.text("a body", std::str::from_utf8(&body[..40]).unwrap());
    }

    fn person(&mut self, value: &Value) {
        match value {
            Value::String(text) if tells(text) => {
                self.text("something about an applicant", text);
                if !text.is_ascii() {
                    // As JSON may be written, and as Rust's `Debug` of bytes.
                    let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
                    self.text("something about an applicant", &escaped);
                    self.text("something about an applicant", &text.as_bytes().escape_ascii().to_string());
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.person(item)),
            // A kind is a word of the schema, not of a person.
            Value::Object(members) => {
                members.iter().filter(|(name, _)| *name != "kind").for_each(|(_, member)| self.person(member));
            }
            _ => {}
        }
    }

    /// The first that the text holds, and where. Signed statements are found by their form, whoever signed them.
    pub(super) fn find_in(&self, text: &str) -> Option<(&'static str, usize)> {
        self.find_plainly(text).or_else(|| {
            let mut lists = lists_of_bytes(text);
            lists.find_map(|(at, bytes)| self.find_plainly(&bytes).map(|(what, _)| (what, at)))
        })
    }

    fn find_plainly(&self, text: &str) -> Option<(&'static str, usize)> {
        let needle = self.0.iter().find_map(|(what, needle)| text.find(needle).map(|at| (*what, at)));
        needle.or_else(|| signed(text).map(|at| ("a signed statement", at)))
    }
}

/// Where a list of bytes in decimals begins, as Rust and Erlang write them, and the text that it is.
fn lists_of_bytes(text: &str) -> impl Iterator<Item = (usize, String)> {
    let in_list = |character: char| character.is_ascii_digit() || character == ',' || character == ' ';
    let lists = text.split(move |character| !in_list(character)).filter(|list| list.contains(','));
    lists.filter_map(|list| {
        let at = list.as_ptr() as usize - text.as_ptr() as usize;
        let bytes: Vec<u8> =
            list.trim_matches([',', ' ']).split(',').map_while(|byte| byte.trim().parse().ok()).collect();
        (bytes.len() >= LEAST).then(|| (at, String::from_utf8_lossy(&bytes).into_owned()))
    })
}

/// Whether a text can be found only where somebody wrote it: not a word of a schema, a house or a postcode.
fn tells(text: &str) -> bool {
    // What is shorter is passed over; a text that tells and is shorter than a needle may be must be made longer where it is sent.
    let word = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'/');
    let long_enough = if number {
        9
    } else if text.is_ascii() {
        5
    } else {
        3
    };
    !word && text.chars().count() >= long_enough
}

/// Where a compact JWS begins: three parts of base64url, the first of a JSON object.
fn signed(text: &str) -> Option<usize> {
    let in_part = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '_';
    text.match_indices("eyJ").map(|(at, _)| at).find(|at| {
        let mut parts = text[*at..].split('.');
        let long = |part: Option<&str>, least| {
            part.is_some_and(|part| part.find(|character| !in_part(character)).unwrap_or(part.len()) >= least)
        };
        let whole = |part: &str| part.chars().all(in_part);
        let (Some(header), Some(payload)) = (parts.next(), parts.next()) else { return false };
        whole(header) && header.len() > 20 && whole(payload) && payload.len() > 20 && long(parts.next(), 20)
    })
}

/// Bytes that a text to look for has at least.
pub(super) const LEAST: usize = 8;

#[test]
fn a_name_is_found_whatever_stands_around_it() {
    let mut needles = Needles::default();
    needles.text("a name", "Maleewan");
    for text in [
        "Maleewan",
        "xMaleewan",
        "{\"first\":\"Maleewan\"}",
        "?first=Maleewan&x",
        "%22Maleewan%22",
        "\\nMaleewan\\n",
        "/v1/people/Maleewan/x",
        "first-Maleewan-last",
        "name_Maleewan_x",
        "aMaleewan1",
    ] {
        assert!(needles.find_in(text).is_some(), "{text}");
        assert!(needles.find_in(&format!("body={:?}", text.as_bytes())).is_some(), "{text}, as bytes");
    }
    assert!(needles.find_in("/v1/people/Malee-wan/x").is_none());
}

#[test]
#[should_panic(expected = "too short")]
fn a_name_that_chance_could_write_is_not_left_out_silently() {
    Needles::default().body(br#"{"applicant":{"kind":"Citizen","name":{"first":"Malee"}}}"#);
}

#[test]
fn a_secret_is_found_in_every_form() {
    let (key, pem) = saphan_schemas::keys::SigningKey::generate().unwrap();
    let mut needles = Needles::default();
    needles.private_key(&pem);
    needles.code("0123-4567-89ab-cdef");
    let token = format!("x eyJ{}.{}.{} x", "A".repeat(40), "B".repeat(40), "C".repeat(86));
    assert!(needles.find_in(&format!("the key is {}", key.id())).is_none());
    assert!(needles.find_in("eyJhbGciOiJFUzI1NiJ9.e30.").is_none());
    for text in [&*pem, "0123456789ABCDEF", token.as_str()] {
        assert!(needles.find_in(text).is_some(), "{text}");
        assert!(needles.find_in(&format!("body={:?}", text.as_bytes())).is_some(), "{text}, as bytes");
    }
    assert!(pem.lines().filter(|line| !line.starts_with('-')).all(|line| needles.find_in(line).is_some()));
}
