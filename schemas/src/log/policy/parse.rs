//! Reading a policy, line by line.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use super::{Group, Member, Policy, PolicyLog, PolicyWitness};
use crate::log::note::KeyError;

/// A policy cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy: {fault}")]
pub struct PolicyError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: PolicyFault,
}

/// What is wrong with a line of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// A control character.
    #[error("it holds a control character other than a tab")]
    ControlCharacter,
    /// The last line has no newline.
    #[error("it does not end in a newline: the file may have been cut")]
    Unfinished,
    /// Its first word is none of the format.
    #[error("it begins with none of 'log', 'witness', 'group', 'quorum' and '#'")]
    UnknownWord,
    /// Its words are not those that the first one asks for.
    #[error("it is not of the form '{form}'")]
    WrongForm {
        /// How it should be.
        form: &'static str,
    },
    /// The key cannot be used.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// The key stands on a line before.
    #[error("the same key stands on a line before")]
    DuplicateKey,
    /// The name is taken.
    #[error("the name '{name}' is taken")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// The name is not defined on a line before.
    #[error("no line before defines '{name}'")]
    UndefinedName {
        /// The name.
        name: String,
    },
    /// The name is a member already.
    #[error("'{name}' is a member of a group already, and may be of one only")]
    SecondMembership {
        /// The name.
        name: String,
    },
    /// The threshold is out of range.
    #[error("the threshold is not 'all', 'any', or a number from 1 to that of the members, {members}")]
    BadThreshold {
        /// How many members the group has.
        members: usize,
    },
    /// There is a quorum already.
    #[error("it defines a second quorum")]
    SecondQuorum,
    /// There is no quorum.
    #[error("the policy ends here, and no line defines the quorum; 'quorum none' asks for no witness")]
    NoQuorum,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError`]: the first line that is wrong, and why.
    pub fn parse(file: &[u8]) -> Result<Self, PolicyError> {
        let mut reader = Reader::default();
        let mut line = 0;
        for text in file.split_inclusive(|byte| *byte == b'\n') {
            line += 1;
            reader.line(text).map_err(|fault| PolicyError { line, fault })?;
        }
        let Reader { logs, witnesses, groups, quorum, .. } = reader;
        let quorum = quorum.ok_or(PolicyError { line: line.max(1), fault: PolicyFault::NoQuorum })?;
        Ok(Self { logs, witnesses, groups, quorum })
    }
}

/// What the lines so far have defined.
#[derive(Default)]
struct Reader {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Option<Option<Member>>,
    /// Of witnesses and groups.
    names: HashMap<Vec<u8>, Member>,
    /// Names that are members of groups.
    members: HashSet<Vec<u8>>,
    log_keys: HashSet<[u8; 32]>,
    witness_keys: HashSet<[u8; 32]>,
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> Result<(), PolicyFault> {
        let line = line.strip_suffix(b"\n").ok_or(PolicyFault::Unfinished)?;
        if line.iter().any(|byte| matches!(byte, 0..=0x08 | 0x0a..=0x1f | 0x7f)) {
            return Err(PolicyFault::ControlCharacter);
        }
        let words: Vec<&[u8]> =
            line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).collect();
        match words.split_first() {
            None => Ok(()),
            Some((word, _)) if word.starts_with(b"#") => Ok(()),
            Some((&b"log", rest)) => self.log(rest),
            Some((&b"witness", rest)) => self.witness(rest),
            Some((&b"group", rest)) => self.group(rest),
            Some((&b"quorum", rest)) => self.quorum(rest),
            Some(_) => Err(PolicyFault::UnknownWord),
        }
    }

    fn log(&mut self, words: &[&[u8]]) -> Result<(), PolicyFault> {
        let (key, url) = match *words {
            [key] => (key, None),
            [key, url] => (key, Some(lossy(url))),
            _ => return Err(PolicyFault::WrongForm { form: "log <vkey> [<url>]" }),
        };
        let log = PolicyLog { key: parse_key(key)?, url };
        if !self.log_keys.insert(*log.key.public_key()) {
            return Err(PolicyFault::DuplicateKey);
        }
        self.logs.push(log);
        Ok(())
    }

    fn witness(&mut self, words: &[&[u8]]) -> Result<(), PolicyFault> {
        let (name, key, url) = match *words {
            [name, key] => (name, key, None),
            [name, key, url] => (name, key, Some(lossy(url))),
            _ => return Err(PolicyFault::WrongForm { form: "witness <name> <vkey> [<url>]" }),
        };
        let witness = PolicyWitness { name: name.to_vec(), key: parse_key(key)?, url };
        if !self.witness_keys.insert(*witness.key.public_key()) {
            return Err(PolicyFault::DuplicateKey);
        }
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(witness);
        Ok(())
    }

    fn group(&mut self, words: &[&[u8]]) -> Result<(), PolicyFault> {
        let [name, threshold, names @ ..] = words else { return Err(PolicyFault::WrongForm { form: GROUP }) };
        if names.is_empty() {
            return Err(PolicyFault::WrongForm { form: GROUP });
        }
        let threshold = match *threshold {
            b"all" => Some(names.len()),
            b"any" => Some(1),
            number => decimal(number).filter(|number| (1..=names.len()).contains(number)),
        };
        let threshold = threshold.ok_or(PolicyFault::BadThreshold { members: names.len() })?;
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            members.push(self.defined(name)?);
            if !self.members.insert(name.to_vec()) {
                return Err(PolicyFault::SecondMembership { name: lossy(name) });
            }
        }
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { threshold, members });
        Ok(())
    }

    fn quorum(&mut self, words: &[&[u8]]) -> Result<(), PolicyFault> {
        let [name] = *words else { return Err(PolicyFault::WrongForm { form: "quorum <name>" }) };
        if self.quorum.is_some() {
            return Err(PolicyFault::SecondQuorum);
        }
        self.quorum = Some(if name == NONE { None } else { Some(self.defined(name)?) });
        Ok(())
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), PolicyFault> {
        if name == NONE || self.names.contains_key(name) {
            return Err(PolicyFault::DuplicateName { name: lossy(name) });
        }
        self.names.insert(name.to_vec(), member);
        Ok(())
    }

    fn defined(&self, name: &[u8]) -> Result<Member, PolicyFault> {
        self.names.get(name).copied().ok_or_else(|| PolicyFault::UndefinedName { name: lossy(name) })
    }
}

fn parse_key<K: FromStr<Err = KeyError>>(word: &[u8]) -> Result<K, KeyError> {
    std::str::from_utf8(word).map_err(|_| KeyError::BadForm)?.parse()
}

fn decimal(word: &[u8]) -> Option<usize> {
    let digits = !word.starts_with(b"0") && word.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(word).ok()?.parse().ok())?
}

fn lossy(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// Predefined: no witness at all.
const NONE: &[u8] = b"none";
const GROUP: &str = "group <name> all|any|<number> <member>…";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::note::{CosignerKey, VerifierKey};

    fn log(byte: u8) -> String {
        VerifierKey::new("hub.local/log/main", [byte; 32]).unwrap().to_string()
    }

    fn witness(byte: u8) -> String {
        CosignerKey::new("w.example", [byte; 32]).unwrap().to_string()
    }

    fn parse(text: &str) -> Result<Policy, PolicyError> {
        Policy::parse(text.as_bytes())
    }

    #[test]
    fn spaces_tabs_comments_and_empty_lines_mean_nothing() {
        let (l, w) = (log(1), witness(1));
        let plain = parse(&format!("log {l} https://hub.local\nwitness w {w}\nquorum w\n")).unwrap();
        let odd = format!("# ก\n\n \t\n\t log\t {l}  https://hub.local \n  # x\nwitness w {w}\t\nquorum  w\n");
        assert_eq!(parse(&odd), Ok(plain.clone()));
        assert_eq!(plain.logs()[0].url.as_deref(), Some("https://hub.local"));
        assert_eq!((plain.witnesses()[0].name().as_ref(), plain.witnesses()[0].url.as_deref()), ("w", None));
    }

    #[test]
    fn a_wrong_line_is_told_with_its_number_and_the_reason() {
        let (l, w, v) = (log(1), witness(1), witness(2));
        let known = format!("witness a {w}\nwitness b {v}\n");
        let named = |name: &str| name.to_owned();
        for (text, line, fault) in [
            (String::new(), 1, PolicyFault::NoQuorum),
            (format!("log {l}\n"), 1, PolicyFault::NoQuorum),
            ("quorum none".into(), 1, PolicyFault::Unfinished),
            ("# a\r\nquorum none\n".into(), 1, PolicyFault::ControlCharacter),
            ("quorum none\n#\u{7f}\n".into(), 2, PolicyFault::ControlCharacter),
            ("\nlogs x\n".into(), 2, PolicyFault::UnknownWord),
            ("log\n".into(), 1, PolicyFault::WrongForm { form: "log <vkey> [<url>]" }),
            (format!("log {l} u v\n"), 1, PolicyFault::WrongForm { form: "log <vkey> [<url>]" }),
            (format!("log {w}\n"), 1, PolicyFault::Key(KeyError::WrongType { expected: 1 })),
            (format!("witness a {l}\n"), 1, PolicyFault::Key(KeyError::WrongType { expected: 4 })),
            ("witness a b\n".into(), 1, PolicyFault::Key(KeyError::BadForm)),
            (format!("log {l}\nlog {}\n", l), 2, PolicyFault::DuplicateKey),
            (format!("witness a {w}\nwitness b {w}\n"), 2, PolicyFault::DuplicateKey),
            (format!("witness a {w}\nwitness a {v}\n"), 2, PolicyFault::DuplicateName { name: named("a") }),
            (format!("witness none {w}\n"), 1, PolicyFault::DuplicateName { name: named("none") }),
            (format!("{known}group a any b\n"), 3, PolicyFault::DuplicateName { name: named("a") }),
            (format!("{known}group g any\n"), 3, PolicyFault::WrongForm { form: GROUP }),
            (format!("{known}group g any c\n"), 3, PolicyFault::UndefinedName { name: named("c") }),
            (format!("{known}group g any g\n"), 3, PolicyFault::UndefinedName { name: named("g") }),
            (format!("{known}group g any none\n"), 3, PolicyFault::UndefinedName { name: named("none") }),
            (format!("{known}group g 2 a a\n"), 3, PolicyFault::SecondMembership { name: named("a") }),
            (format!("{known}group g any a\ngroup h any a b\n"), 4, PolicyFault::SecondMembership { name: named("a") }),
            (format!("{known}group g 0 a b\n"), 3, PolicyFault::BadThreshold { members: 2 }),
            (format!("{known}group g 3 a b\n"), 3, PolicyFault::BadThreshold { members: 2 }),
            (format!("{known}group g 01 a b\n"), 3, PolicyFault::BadThreshold { members: 2 }),
            (format!("{known}group g +1 a b\n"), 3, PolicyFault::BadThreshold { members: 2 }),
            ("quorum a\n".into(), 1, PolicyFault::UndefinedName { name: named("a") }),
            ("quorum\n".into(), 1, PolicyFault::WrongForm { form: "quorum <name>" }),
            ("quorum none\nquorum none\n".into(), 2, PolicyFault::SecondQuorum),
        ] {
            assert_eq!(parse(&text), Err(PolicyError { line, fault }), "{text}");
        }
    }

    #[test]
    fn a_key_under_two_names_is_one_key() {
        let key = |name: &str| CosignerKey::new(name, [1; 32]).unwrap();
        let text = format!("witness a {}\nwitness b {}\nquorum none\n", key("x"), key("y"));
        assert_eq!(parse(&text), Err(PolicyError { line: 2, fault: PolicyFault::DuplicateKey }));
    }

    #[test]
    fn names_are_bytes_and_not_characters() {
        let kelvin = format!("witness \u{212a} {}\nwitness K {}\nquorum K\n", witness(1), witness(2));
        assert!(parse(&kelvin).is_ok());
        let (one, two) = (witness(1), witness(2));
        let bytes: [&[u8]; 5] =
            [b"witness \xff ", one.as_bytes(), b"\nwitness \xfe ", two.as_bytes(), b"\nquorum \xfe\n"];
        assert!(Policy::parse(&bytes.concat()).is_ok());
        // A space of Unicode is part of a word.
        assert!(parse(&format!("witness a\u{a0}b {}\nquorum a\u{a0}b\n", witness(1))).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes: Vec<u8>, text in "((log|witness|group|quorum|#) ?[ a-z0-9+]{0,9}\n){0,6}") {
            let _ = Policy::parse(&bytes);
            let _ = parse(&text);
        }
    }
}
