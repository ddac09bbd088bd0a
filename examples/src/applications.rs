//! Applications to submit: synthetic people, filled-in forms, and what becomes of each, so that every count is known.

mod forms;

pub(crate) use forms::director;

use saphan_schemas::ids::SchemaId;
use saphan_schemas::message_types::{
    Answer, Applicant, ApplicationSubmitted, Citizen, JuristicPerson, Language, NaturalPerson, Representative, Subject,
    Timestamp,
};
use serde_json::{Map, Value};

use crate::agencies::civil_registry::Record;
use crate::agencies::{MANDATES, Mandate, civil_registration, licences, requests, welfare};
use crate::applicants::{Applicants, InvalidSample};

/// What becomes of an application. It follows from what the form says and what the registers hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Story {
    /// The registers prove all; approved.
    Approved,
    /// One thing is not in any register: the applicant is asked, answers, and the application is approved.
    Asked,
    /// The applicant is asked and withdraws instead.
    Withdrawn,
    /// The civil registry does not know the person; rejected.
    Unknown,
    /// Complete, and rejected.
    Rejected,
}

/// An application that is ready to be submitted.
#[derive(Clone)]
pub struct Application {
    /// Who decides it.
    pub mandate: Mandate,
    /// What becomes of it.
    pub story: Story,
    /// What the applicant answers when asked.
    pub answers: Vec<Answer>,
    applicant: Applicant,
    representative: Option<Representative>,
    form_schema: SchemaId,
    form: Map<String, Value>,
}

impl Application {
    /// An application of somebody who needs no answers: the registers prove all.
    pub(crate) fn new(mandate: Mandate, applicant: Applicant, form: Map<String, Value>) -> Result<Self, InvalidSample> {
        let form_schema = format!("{}@1", mandate.service).parse()?;
        let (story, answers) = (Story::Approved, Vec::new());
        Ok(Self { mandate, story, answers, applicant, representative: None, form_schema, form })
    }

    /// The same, with somebody who acts for the applicant.
    pub(crate) const fn representative(&self) -> Option<&Representative> {
        self.representative.as_ref()
    }

    pub(crate) fn by(self, representative: Representative) -> Self {
        Self { representative: Some(representative), ..self }
    }

    /// Who applies.
    #[must_use]
    pub const fn applicant(&self) -> &Applicant {
        &self.applicant
    }

    /// Whose data the application is about: the natural person who signs in to the portal.
    #[must_use]
    pub fn person(&self) -> Subject {
        match &self.representative {
            Some(Representative { person: NaturalPerson::Citizen(citizen), .. }) => {
                Applicant::Citizen(citizen.clone()).subject()
            }
            Some(Representative { person: NaturalPerson::Foreigner(foreigner), .. }) => {
                Applicant::Foreigner(foreigner.clone()).subject()
            }
            None => self.applicant.subject(),
        }
    }

    /// The body of `application.submitted`.
    #[must_use]
    pub fn submitted_at(&self, submitted_at: Timestamp) -> ApplicationSubmitted {
        ApplicationSubmitted {
            submitted_at,
            language: Language::Th,
            applicant: self.applicant.clone(),
            representative: self.representative.clone(),
            contact: None,
            form_schema: self.form_schema.clone(),
            form: self.form.clone(),
            evidence: Vec::new(),
        }
    }

    /// How many messages it causes, itself included.
    #[must_use]
    pub fn messages(&self) -> usize {
        // Submitted and the status CHECK; then evidence or a question; then what the story adds.
        let pays_a_fee = self.mandate.service == licences::MANDATE.service;
        let evidence = if matches!(self.applicant, Applicant::Foreigner(_)) { 0 } else { 2 };
        let approval = if pays_a_fee { 3 } else { 2 };
        2 + evidence
            + match self.story {
                Story::Approved => approval,
                Story::Asked => 2 + approval,
                Story::Withdrawn => 2,
                Story::Unknown => 1,
                Story::Rejected => 2,
            }
    }
}

impl std::fmt::Debug for Application {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Application")
            .field("service", &self.mandate.service)
            .field("story", &self.story)
            .finish_non_exhaustive()
    }
}

/// Applications, and the registers that know of them.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// What the portal submits.
    pub applications: Vec<Application>,
    /// What the civil registry holds.
    pub citizens: Vec<Record>,
    /// What the Department of Business Development holds.
    pub companies: Vec<JuristicPerson>,
}

impl Plan {
    /// `count` applications, for the services of all four families in turn.
    ///
    /// # Errors
    /// [`InvalidSample`] would be a defect of this crate.
    pub fn new(seed: u64, count: usize) -> Result<Self, InvalidSample> {
        let (mut applicants, mut plan) = (Applicants::new(seed), Self::default());
        for number in 0..count {
            let mandate = MANDATES[number % MANDATES.len()];
            let story = STORIES[number / MANDATES.len() % STORIES.len()];
            let application = match mandate.service {
                service if service == welfare::MANDATE.service => plan.child_grant(&mut applicants, story)?,
                service if service == requests::MANDATE.service => plan.certificate(&mut applicants, story)?,
                service if service == civil_registration::MANDATE.service => plan.new_name(&mut applicants, story)?,
                _ => plan.driving_licence(&mut applicants, story)?,
            };
            plan.applications.push(application);
        }
        Ok(plan)
    }

    /// How many messages the whole exchange takes.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.applications.iter().map(Application::messages).sum()
    }

    /// How many applications have this story.
    #[must_use]
    pub fn count(&self, story: Story) -> usize {
        self.applications.iter().filter(|application| application.story == story).count()
    }

    fn child_grant(&mut self, people: &mut Applicants, story: Story) -> Result<Application, InvalidSample> {
        let parent = people.citizen()?;
        let child = people.child_of(&parent)?;
        self.register(&parent, story);
        let (form, answers) = forms::child_grant(&parent, &child, RESIDENTS, story)?;
        application(welfare::MANDATE, story, Applicant::Citizen(parent), None, form, answers)
    }

    fn certificate(&mut self, people: &mut Applicants, story: Story) -> Result<Application, InvalidSample> {
        let director = people.citizen()?;
        let mut company = people.company(&director)?;
        if matches!(story, Story::Asked | Story::Withdrawn) {
            company.name.en = None;
        }
        // Rejected: somebody applies who is no director.
        let representative = if story == Story::Rejected { people.citizen()? } else { director };
        self.register(&representative, story);
        self.companies.push(company.clone());
        let (form, answers) = forms::certificate(&company, story)?;
        let representative = Some(forms::director(representative));
        application(requests::MANDATE, story, Applicant::Juristic(Box::new(company)), representative, form, answers)
    }

    fn new_name(&mut self, people: &mut Applicants, story: Story) -> Result<Application, InvalidSample> {
        let citizen = people.citizen()?;
        self.register(&citizen, story);
        let mut new_first = people.first_name();
        while new_first == citizen.name.first {
            new_first = people.first_name();
        }
        let new_first = if story == Story::Rejected { &citizen.name.first } else { new_first };
        let (form, answers) = forms::new_name(&citizen, new_first, story)?;
        application(civil_registration::MANDATE, story, Applicant::Citizen(citizen), None, form, answers)
    }

    fn driving_licence(&mut self, people: &mut Applicants, story: Story) -> Result<Application, InvalidSample> {
        let applicant = if matches!(story, Story::Asked | Story::Withdrawn) {
            Applicant::Foreigner(people.foreigner()?)
        } else {
            let citizen = people.citizen()?;
            self.register(&citizen, story);
            Applicant::Citizen(citizen)
        };
        let (form, answers) = forms::driving_licence(&people.address(), self.applications.len(), story)?;
        application(licences::MANDATE, story, applicant, None, form, answers)
    }

    fn register(&mut self, citizen: &Citizen, story: Story) {
        if story != Story::Unknown {
            self.citizens.push(Record { citizen: citizen.clone(), residents: RESIDENTS });
        }
    }
}

fn application(
    mandate: Mandate,
    story: Story,
    applicant: Applicant,
    representative: Option<Representative>,
    form: Value,
    answers: Vec<Answer>,
) -> Result<Application, InvalidSample> {
    let answers = if story == Story::Withdrawn { Vec::new() } else { answers };
    let form = if let Value::Object(form) = form { form } else { Map::new() };
    Ok(Application { story, answers, representative, ..Application::new(mandate, applicant, form)? })
}

/// In this order for each service; the first applications are the usual ones.
const STORIES: [Story; 6] =
    [Story::Approved, Story::Asked, Story::Approved, Story::Unknown, Story::Withdrawn, Story::Rejected];
const RESIDENTS: u64 = 4;

#[cfg(test)]
mod tests {
    use saphan_schemas::catalogue::{Catalogue, ServiceFamily};
    use saphan_schemas::ids::ServiceId;
    use saphan_schemas::message_types::MessageBody;

    use super::*;
    use crate::agencies::answers;

    #[test]
    fn every_application_satisfies_its_schema_and_the_form_of_its_service() {
        let catalogue = Catalogue::embedded().unwrap();
        for application in Plan::new(11, 96).unwrap().applications {
            let service = catalogue.service(&application.mandate.service.parse::<ServiceId>().unwrap()).unwrap();
            assert_eq!(service.form, application.form_schema);
            assert!(service.applicants.contains(&application.applicant.kind()));
            catalogue.validate(&service.form, &Value::Object(application.form.clone())).unwrap();
            let body = serde_json::to_value(application.submitted_at(answers::now().unwrap())).unwrap();
            catalogue.validate(&ApplicationSubmitted::SCHEMA.parse().unwrap(), &body).unwrap();
        }
    }

    #[test]
    fn the_four_agencies_decide_services_of_the_four_families_in_their_own_competence() {
        let catalogue = Catalogue::embedded().unwrap();
        let families: Vec<_> = MANDATES
            .map(|mandate| {
                let service = catalogue.service(&mandate.service.parse::<ServiceId>().unwrap()).unwrap();
                assert_eq!(service.authority.member.as_str(), mandate.system.split_once('/').unwrap().0);
                service.family
            })
            .into();
        use ServiceFamily::{CivilRegistration, Licence, Request, Welfare};
        assert_eq!(families, [Welfare, Request, CivilRegistration, Licence]);
    }

    #[test]
    fn two_dozen_applications_hold_every_story_for_every_family() {
        let plan = Plan::new(1, 24).unwrap();
        assert_eq!(plan.count(Story::Approved), 8);
        for story in [Story::Asked, Story::Withdrawn, Story::Unknown, Story::Rejected] {
            assert_eq!(plan.count(story), 4, "{story:?}");
        }
    }
}
