//! Services and evidence types that a search finds, page by page.

use saphan_schemas::catalogue::{Catalogue, DigitalStatus, EvidenceFormat, EvidenceType, PublicService, ServiceFamily};
use saphan_schemas::ids::{EvidenceTypeId, MemberId, ServiceId};
use saphan_schemas::message_types::{ApplicantKind, BilingualText};
use serde::{Deserialize, Serialize};

/// Which services; everything that is named must fit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSearch {
    /// In its id, names or descriptions.
    #[serde(default)]
    pub q: Words,
    /// Of this family.
    pub family: Option<ServiceFamily>,
    /// Of this competent authority.
    pub authority: Option<MemberId>,
    /// For applicants of this kind.
    pub applicant: Option<ApplicantKind>,
    /// As far online as this.
    pub status: Option<DigitalStatus>,
    /// How many at once.
    #[serde(default)]
    pub limit: Limit,
    /// Those after this id.
    pub after: Option<ServiceId>,
}

/// Which evidence types; everything that is named must fit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceTypeSearch {
    /// In its id or names.
    #[serde(default)]
    pub q: Words,
    /// Of this issuer.
    pub issuer: Option<MemberId>,
    /// That come like this.
    pub format: Option<EvidenceFormat>,
    /// How many at once.
    #[serde(default)]
    pub limit: Limit,
    /// Those after this id.
    pub after: Option<EvidenceTypeId>,
}

/// Words that must all be found, in Thai or English. Thai has no blanks between words, so a word is found within others; the case of
/// Latin letters does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Words(Vec<String>);

/// A search is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a search has at most {MAX_SEARCH} characters")]
pub struct SearchTooLong;

/// How many items at once: 1 to 100, 50 unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub struct Limit(usize);

/// A page has 1 to 100 items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a page has 1 to 100 items")]
pub struct NoLimit;

/// Some of the items that were found, in the order of their ids.
#[derive(Debug, Serialize)]
pub struct Page<'a, T, I> {
    /// The items.
    pub items: Vec<T>,
    /// The id to ask for the next page after; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<&'a I>,
    /// How many were found, on all pages.
    pub total: usize,
}

/// A service with what follows from its survey.
#[derive(Debug, Serialize)]
pub struct ServiceItem<'a> {
    #[serde(flatten)]
    service: &'a PublicService,
    priority: u16,
}

impl<'a> From<&'a PublicService> for ServiceItem<'a> {
    fn from(service: &'a PublicService) -> Self {
        Self { service, priority: service.priority() }
    }
}

impl ServiceSearch {
    /// Looks for them.
    #[must_use]
    pub fn find<'a>(&self, catalogue: &'a Catalogue) -> Page<'a, ServiceItem<'a>, ServiceId> {
        let found = catalogue.services().iter().filter(|service| self.fits(service));
        page(found, |service| &service.id, self.after.as_ref(), self.limit)
    }

    fn fits(&self, service: &PublicService) -> bool {
        self.family.is_none_or(|family| family == service.family)
            && self.authority.as_ref().is_none_or(|member| *member == service.authority.member)
            && self.applicant.is_none_or(|kind| service.applicants.contains(&kind))
            && self.status.is_none_or(|status| status == service.survey.digital_status)
            && self.q.are_in(service.id.as_str(), &[&service.name, &service.description])
    }
}

impl EvidenceTypeSearch {
    /// Looks for them.
    #[must_use]
    pub fn find<'a>(&self, catalogue: &'a Catalogue) -> Page<'a, &'a EvidenceType, EvidenceTypeId> {
        let found = catalogue.evidence_types().iter().filter(|known| self.fits(known));
        page(found, |known| &known.id, self.after.as_ref(), self.limit)
    }

    fn fits(&self, known: &EvidenceType) -> bool {
        self.issuer.as_ref().is_none_or(|member| *member == known.issuer.member)
            && self.format.is_none_or(|format| format == known.format)
            && self.q.are_in(known.id.as_str(), &[&known.name])
    }
}

/// Items come in the order of their ids, so an id is a place to go on from, also when it is gone by then.
fn page<'a, T: 'a, I: Ord, V: From<&'a T>>(
    found: impl Iterator<Item = &'a T>,
    id: impl Fn(&'a T) -> &'a I,
    after: Option<&I>,
    Limit(limit): Limit,
) -> Page<'a, V, I> {
    let (mut total, mut items, mut next, mut last) = (0, Vec::new(), None, None);
    for item in found {
        total += 1;
        if after.is_some_and(|after| id(item) <= after) {
            continue;
        }
        if items.len() < limit {
            items.push(V::from(item));
            last = Some(id(item));
        } else {
            next = last;
        }
    }
    Page { items, next, total }
}

impl Words {
    fn are_in(&self, id: &str, texts: &[&BilingualText]) -> bool {
        let mut words = self.0.iter();
        words.all(|word| occurs(word, id) || texts.iter().any(|text| occurs(word, &text.th) || occurs(word, &text.en)))
    }
}

impl TryFrom<String> for Words {
    type Error = SearchTooLong;

    fn try_from(text: String) -> Result<Self, SearchTooLong> {
        if text.chars().count() > MAX_SEARCH {
            return Err(SearchTooLong);
        }
        Ok(Self(text.split_whitespace().map(ToOwned::to_owned).collect()))
    }
}

/// The catalogue's Latin letters are those of ASCII.
fn occurs(word: &str, text: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl TryFrom<u8> for Limit {
    type Error = NoLimit;

    fn try_from(number: u8) -> Result<Self, NoLimit> {
        if (1..=100).contains(&number) { Ok(Self(number.into())) } else { Err(NoLimit) }
    }
}

const MAX_SEARCH: usize = 200;
