//! Whether a text still accepts what the text before it accepted.
//!
//! Producers are closed and consumers open: a sender may only write what the schema defines, a receiver passes over what it does
//! not know. So a new minor version may accept more, and must not accept less.
//!
//! The library `jsonschema` decides: it reduces both texts to a normal form and proves that the new one covers the old one, or
//! that it does not. What it leaves open for the whole is looked at part by part, with the same library: a member that is gone or
//! newly required, a shorter list, a value that only the old text accepts. A text is called compatible only when it is proven for
//! the whole or for each part, and incompatible only for such a reason. The rest is left open, patterns above all.

mod bundle;
mod places;

use std::collections::BTreeMap;

use serde_json::Value;

use self::bundle::Bundle;
use self::places::Places;
use super::finding::Finding;
use crate::ids::SchemaId;

/// What a new text means for those who send by the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compatibility {
    /// There is no text before it.
    New,
    /// It is the very text before it.
    Same,
    /// It accepts all that was accepted: proven.
    Compatible,
    /// It refuses what was accepted, at these places.
    Incompatible(Vec<Finding>),
    /// Not decided; these places are to be looked at by the operator.
    Unknown(Vec<Finding>),
}

/// The documents of a catalogue.
pub(super) type Documents<'a> = BTreeMap<&'a SchemaId, &'a Value>;

/// Compares the schemas `ids` as `old` has them with how `new` has them. `candidate` is the one that changed itself.
pub(super) fn compare(
    candidate: &SchemaId,
    ids: &[SchemaId],
    old: &Documents<'_>,
    new: &Documents<'_>,
) -> Compatibility {
    let (mut refused, mut open) = (Vec::new(), Vec::new());
    for id in ids {
        let (Some(before), Some(after)) = (Bundle::new(id, old), Bundle::new(id, new)) else { continue };
        let mut places = Places::new(candidate, &before, &after);
        places.compare_all(id);
        refused.extend(places.refused);
        open.extend(places.open);
    }
    if !refused.is_empty() {
        Compatibility::Incompatible(each_once(refused))
    } else if !open.is_empty() {
        Compatibility::Unknown(each_once(open))
    } else {
        Compatibility::Compatible
    }
}

/// A part that several schemas refer to is found by each of them.
fn each_once(findings: Vec<Finding>) -> Vec<Finding> {
    let mut once = Vec::with_capacity(findings.len());
    for finding in findings {
        if !once.contains(&finding) {
            once.push(finding);
        }
    }
    once
}
