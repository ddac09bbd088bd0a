//! Tokens of OpenSSL, good ones and all kinds of bad ones.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

use saphan_timestamps::testing::{Forgery, KeyKind, TIMESTAMPS, TestAuthority, openssl};
use saphan_timestamps::{Authorities, PolicyId, ReplyFault, TimestampFault, TimestampRequest, Token, token_in_reply};

const DATA: &[u8] = b"hub.example/log/main\n5\nqUnIqUeRoOt=\n";

fn authorities(authority: &TestAuthority) -> Authorities {
    Authorities::from_pem(&std::fs::read(authority.pem()).unwrap()).unwrap()
}

fn class_of(token: &[u8], authority: &TestAuthority) -> &'static str {
    let verified = Token::parse(token).and_then(|token| token.verify(DATA, &authorities(authority)));
    verified.map_or_else(|fault| fault.class(), |_| "holds")
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn a_token_of_each_kind_of_key_says_when_and_by_whom() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa] {
        let authority = TestAuthority::new(kind).unwrap();
        let before = now();
        let token = Token::parse(&authority.token(DATA).unwrap()).unwrap();
        let proven = token.verify(DATA, &authorities(&authority)).unwrap();
        // Its clock is good to a second.
        assert!((before + 1..=now() + 1).contains(&proven.time), "{proven:?}, {before}");
        assert_eq!((proven.policy.as_str(), proven.serial.as_str()), ("1.2.3.4.1", "02"));
        assert_eq!(proven.authority, "CN=Test tsa,O=Test");
    }
}

#[test]
fn openssl_finds_our_request_good_and_we_find_its_answer_to_it() {
    let authority = TestAuthority::new(KeyKind::P256).unwrap();
    let policy: PolicyId = "1.2.3.4.2".parse().unwrap();
    let request = TimestampRequest::new(DATA, Some(policy)).unwrap();
    let reply = authority.reply(request.as_der()).unwrap();
    let token = Token::parse(&token_in_reply(&reply).unwrap()).unwrap();
    let proven = token.verify(DATA, &authorities(&authority)).unwrap();
    assert!(request.is_answered_by(&proven));
    assert_eq!(proven.policy, policy.to_string());
    for policy in [Some(policy), None] {
        let other = TimestampRequest::new(DATA, policy).unwrap();
        assert!(!other.is_answered_by(&proven), "each request has a nonce of its own");
    }
    // And OpenSSL of the reply, by the request.
    let folder = authority.pem().parent().unwrap().to_owned();
    std::fs::write(folder.join("ours"), request.as_der()).unwrap();
    std::fs::write(folder.join("answer"), &reply).unwrap();
    let verify = ["ts", "-verify", "-queryfile", "ours", "-in", "answer", "-CAfile", "ca.pem"];
    let said = openssl(&folder, &verify, b"").unwrap();
    assert!(String::from_utf8_lossy(&said).contains("Verification: OK"));
}

#[test]
fn a_refusal_is_told_from_garbage() {
    let authority = TestAuthority::new(KeyKind::P256).unwrap();
    let request = TimestampRequest::new(DATA, Some("1.2.3.4.9".parse().unwrap())).unwrap();
    let reply = authority.reply(request.as_der()).unwrap();
    assert_eq!(token_in_reply(&reply), Err(ReplyFault::Refused { status: 2 }));
    for garbage in [&b""[..], b"\x30\x00", b"<html>", &reply[..reply.len() - 1], &[&reply[..], b"\0"].concat()] {
        assert_eq!(token_in_reply(garbage), Err(ReplyFault::Malformed));
    }
}

#[test]
fn each_way_in_which_a_token_proves_nothing_has_its_name() {
    let (authority, other) = (TestAuthority::new(KeyKind::P256).unwrap(), TestAuthority::new(KeyKind::P256).unwrap());
    let good = Forgery { time: "20991231235959Z", usage: TIMESTAMPS };
    let forged = |forgery| authority.forge(DATA, forgery).unwrap();
    let today = authority.token(DATA).unwrap();
    assert_eq!(class_of(&today, &authority), "holds");
    assert_eq!(class_of(&today, &other), "untrusted-timestamp");
    assert_eq!(class_of(&authority.token(b"something else").unwrap(), &authority), "other-timestamp");
    assert_eq!(class_of(&forged(good), &authority), "expired-timestamp");
    assert_eq!(class_of(&forged(Forgery { time: "20200101000000Z", ..good }), &authority), "expired-timestamp");
    assert_eq!(class_of(&forged(Forgery { time: "20200101000060Z", ..good }), &authority), "malformed-timestamp");
    for usage in ["", "timeStamping", "critical,timeStamping,codeSigning", "critical,codeSigning"] {
        assert_eq!(class_of(&forged(Forgery { usage, ..good }), &authority), "not-for-timestamps", "{usage}");
    }
    assert_eq!(class_of(b"", &authority), "malformed-timestamp");
    assert_eq!(class_of(&[&today[..], b"\0"].concat(), &authority), "malformed-timestamp");
    assert_eq!(class_of(&vec![0x30; 40 << 10], &authority), "malformed-timestamp");
    let mut changed = today;
    // The signature ends the token.
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(class_of(&changed, &authority), "changed-timestamp");
}

#[test]
fn a_flipped_bit_is_found_or_changes_nothing_that_is_told() {
    let authority = TestAuthority::new(KeyKind::P256).unwrap();
    let trusted = authorities(&authority);
    let token = authority.token(DATA).unwrap();
    let told = Token::parse(&token).unwrap().verify(DATA, &trusted).unwrap();
    let mut unnoticed = Vec::new();
    for bit in 0..token.len() * 8 {
        let mut flipped = token.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match Token::parse(&flipped).and_then(|token| token.verify(DATA, &trusted)) {
            Ok(other) => {
                assert_eq!(other, told, "bit {bit}");
                unnoticed.push(bit / 8);
            }
            Err(fault) => assert!(!fault.to_string().is_empty()),
        }
    }
    unnoticed.dedup();
    println!("{} of {} bytes have bits without meaning", unnoticed.len(), token.len());
}

#[test]
fn an_authoritys_own_certificate_can_be_trusted_and_nobody_elses_then() {
    let (authority, other) = (TestAuthority::new(KeyKind::P256).unwrap(), TestAuthority::new(KeyKind::P256).unwrap());
    let own = Authorities::from_pem(&std::fs::read(authority.own_pem()).unwrap()).unwrap();
    let class = |token: &[u8]| {
        let verified = Token::parse(token).and_then(|token| token.verify(DATA, &own));
        verified.map_or_else(|fault| fault.class(), |_| "holds")
    };
    assert_eq!(class(&authority.token(DATA).unwrap()), "holds");
    assert_eq!(class(&other.token(DATA).unwrap()), "untrusted-timestamp");
    // The same key and name in another certificate of the same CA, and times at which its own was not valid.
    for (time, expected) in [("20300101000000Z", "untrusted-timestamp"), ("20240101000000Z", "expired-timestamp")] {
        let forged = authority.forge(DATA, Forgery { time, usage: TIMESTAMPS }).unwrap();
        assert_eq!(class(&forged), expected, "{time}");
    }
    for time in [1_704_067_200, 2_500_000_000] {
        assert_eq!(class(&authority.token_at(DATA, time).unwrap()), "expired-timestamp", "{time}");
    }
    // Its CA's, beside it, does no harm.
    let both = [authority.own_pem(), authority.pem()].map(|pem| std::fs::read(pem).unwrap()).concat();
    let both = Authorities::from_pem(&both).unwrap();
    let token = Token::parse(&authority.token(DATA).unwrap()).unwrap();
    assert!(token.verify(DATA, &both).is_ok());
}

#[test]
fn a_token_is_not_much_older_than_what_it_covers() {
    let authority = TestAuthority::new(KeyKind::P256).unwrap();
    let token = Token::parse(&authority.token_at(DATA, 1_800_000_000).unwrap()).unwrap();
    let proven = token.verify(DATA, &authorities(&authority)).unwrap();
    assert_eq!(proven.time, 1_800_000_000);
    for (logged, class) in [(0, None), (1_800_000_600, None), (1_800_000_601, Some("early-timestamp"))] {
        let found = proven.must_not_precede(logged).map_err(|fault| fault.class());
        assert_eq!(found.err(), class, "{logged}");
    }
}

#[test]
fn what_holds_no_certificate_is_nobody_to_trust() {
    for (pem, told) in [
        (&b""[..], "there is no certificate in it"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 1 cannot be read"),
        (b"-----BEGIN CERTIFICATE-----\nA*\n", "not PEM, or damaged"),
    ] {
        assert_eq!(Authorities::from_pem(pem).unwrap_err().to_string(), told);
    }
    assert!(matches!(Token::parse(b"\x30\x00"), Err(TimestampFault::Malformed { .. })));
    assert!("1.2.x".parse::<PolicyId>().is_err());
}
