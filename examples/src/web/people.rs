//! Who can sign in: synthetic people, and companies by their directors.

use saphan_schemas::message_types::{
    Applicant, ApplicantKind, Citizen, Language, LatinName, NaturalPerson, Representative, Subject, ThaiName,
};

/// Somebody who can sign in.
#[derive(Debug, Clone)]
pub struct Person {
    applicant: Applicant,
    representative: Option<Representative>,
}

impl Person {
    /// Who applies, and who acts for the applicant.
    #[must_use]
    pub const fn new(applicant: Applicant, representative: Option<Representative>) -> Self {
        Self { applicant, representative }
    }

    pub(super) const fn applicant(&self) -> &Applicant {
        &self.applicant
    }

    pub(super) const fn representative(&self) -> Option<&Representative> {
        self.representative.as_ref()
    }

    pub(super) const fn kind(&self) -> ApplicantKind {
        self.applicant.kind()
    }

    /// Whose data the trace shows.
    pub(super) fn subject(&self) -> Subject {
        self.applicant.subject()
    }

    /// The natural person: who acts, or who applies.
    pub(super) fn person_subject(&self) -> Subject {
        match self.representative.as_ref().map(|one| &one.person) {
            Some(NaturalPerson::Citizen(citizen)) => Applicant::Citizen(citizen.clone()).subject(),
            Some(NaturalPerson::Foreigner(foreigner)) => Applicant::Foreigner(foreigner.clone()).subject(),
            None => self.subject(),
        }
    }

    /// What the page calls this person.
    pub(super) fn name(&self, language: Language) -> String {
        match &self.applicant {
            Applicant::Citizen(citizen) => citizen_name(citizen, language),
            Applicant::Foreigner(foreigner) => latin(&foreigner.name),
            Applicant::Juristic(company) => match (&company.name.en, language) {
                (Some(english), Language::En) => english.clone(),
                _ => company.name.th.clone(),
            },
        }
    }
}

fn citizen_name(citizen: &Citizen, language: Language) -> String {
    match (&citizen.latin_name, language) {
        (Some(name), Language::En) => latin(name),
        _ => thai(&citizen.name),
    }
}

fn thai(name: &ThaiName) -> String {
    format!("{}{} {}", name.title, name.first, name.last)
}

fn latin(name: &LatinName) -> String {
    let parts = [name.title.as_deref(), Some(name.first.as_str()), name.middle.as_deref(), name.last.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
