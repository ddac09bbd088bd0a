//! The person said no to the consent: what to bring instead, here as files or at an office.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use saphan_schemas::catalogue::{PublicService, Requirement};
use saphan_schemas::ids::{EvidenceTypeId, MessageId};

use super::case::back;
use super::file_field::FileField;
use super::layout::{Page, button, form};
use super::review::draft;
use crate::web::Site;
use crate::web::draft::{Brought, Draft};
use crate::web::files::{Arriving, Faults, FileFault, NotUploaded, Owner, upload_all};
use crate::web::html::{Element, Html, el};
use crate::web::language::Speaks as _;
use crate::web::refusal::{Because, Refusal};
use crate::web::visit::{SignedIn, Visit};

/// What must be brought for an application without a consent.
pub(super) struct Papers<'a> {
    application: MessageId,
    service: &'a PublicService,
    needed: Vec<&'a Requirement>,
}

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (draft, service) = draft(&site, &who, &id)?;
    if let Some(case) = draft.case().await {
        return Ok(back(&who.visit, case));
    }
    let papers = Papers::of(&site, &draft, service, &who);
    if papers.is_empty() {
        return Err(who.visit.refuse(Because::NotFound));
    }
    Ok(papers.page(&site, &who, &Faults::new()))
}

/// Sends the application with the files.
pub(super) async fn submit(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    arriving: Arriving,
) -> Result<Response, Refusal> {
    let (draft, service) = draft(&site, &arriving.who, &id)?;
    let inputs = Papers::of(&site, &draft, service, &arriving.who).inputs();
    let (who, mut sent) = arriving.read(&inputs).await?;
    let papers = Papers::of(&site, &draft, service, &who);
    let refuse = |because| who.visit.refuse(because);
    let Some(each) = papers.as_files() else { return Err(refuse(Because::NotFound)) };
    let owner = papers.owner(&who);
    let (mut faults, mut files) = (Faults::new(), Vec::new());
    for (requirement, _) in &each {
        let came = sent.files.remove(&input(requirement));
        let fault = came.and_then(|came| site.shelf.keep(owner, &requirement.id, came));
        let held = site.shelf.of(owner).remove(&requirement.id);
        match held.ok_or(fault.unwrap_or(FileFault::Missing)) {
            Ok(file) => files.push((requirement.id.clone(), file)),
            Err(fault) => drop(faults.insert(requirement.id.clone(), fault)),
        }
    }
    if !faults.is_empty() {
        return Ok(papers.page(&site, &who, &faults));
    }
    // Whoever comes meanwhile waits, and finds the application sent.
    let _turn = draft.uploading.lock().await;
    let case = match draft.case().await {
        Some(case) => case,
        None => {
            let uploaded = match upload_all(&site, owner, &files).await {
                Ok(uploaded) => uploaded,
                Err(NotUploaded::Files(faults)) => return Ok(papers.page(&site, &who, &faults)),
                Err(NotUploaded::Because(because)) => return Err(refuse(because)),
            };
            let brought = each.iter().zip(uploaded).map(|((_, evidence_type), (_, document))| {
                let evidence_type = (*evidence_type).clone();
                Brought { evidence_type, document }
            });
            draft.send(&site, &who.person, who.visit.language, None, brought.collect()).await.map_err(refuse)?
        }
    };
    site.shelf.clear(owner);
    Ok(back(&who.visit, case))
}

impl<'a> Papers<'a> {
    /// What cannot be proven without a consent.
    pub(super) fn of(site: &Site, draft: &Draft, service: &'a PublicService, who: &SignedIn) -> Self {
        let needs = |requirement: &&Requirement| {
            let mut known = requirement.evidence.iter().filter_map(|id| site.catalogue.evidence_type(id));
            known.all(|one| one.consent_needed)
        };
        let needed = service.requirements_for(who.person.kind()).filter(needs).collect();
        Self { application: draft.application, service, needed }
    }

    /// Whether nothing must be.
    pub(super) const fn is_empty(&self) -> bool {
        self.needed.is_empty()
    }

    const fn owner(&self, who: &SignedIn) -> Owner {
        Owner { person: who.index, message: self.application }
    }

    /// What a file proves, for each; `None` when the person would have to say which of several papers a file is, or there is nothing.
    fn as_files(&self) -> Option<Vec<(&'a Requirement, &'a EvidenceTypeId)>> {
        let each = self.needed.iter().map(|requirement| match &requirement.evidence[..] {
            [only] => Some((*requirement, only)),
            _ => None,
        });
        each.collect::<Option<Vec<_>>>().filter(|each| !each.is_empty())
    }

    fn inputs(&self) -> BTreeSet<String> {
        self.needed.iter().map(|requirement| input(requirement)).collect()
    }

    /// What to bring, and where.
    pub(super) fn page(&self, site: &Site, who: &SignedIn, faults: &Faults) -> Response {
        let visit = &who.visit;
        let listed = self.needed.iter().map(|requirement| el("li").with(name(site, visit, requirement)));
        let text = visit.say(
            "ไม่มีการขอหรือส่งข้อมูลใด โปรดนำเอกสารต่อไปนี้ไปยื่นที่",
            "Nothing was asked for or sent. Please hand in the following at an office of",
        );
        let or_here = visit.say("หรือส่งเป็นไฟล์ที่นี่", "or send it here as files");
        let or_here = self.as_files().map(|_| format!(", {or_here}")).unwrap_or_default();
        let change = visit.say("เปลี่ยนใจ", "Go back and decide again");
        let back = el("a").attr("href", visit.path(&format!("applications/{}", self.application))).with(change);
        let content = Html::new()
            .with(el("p").with(format!("{text} {}{or_here}:", visit.language.text(&self.service.authority.name))))
            .with(el("ul").with(listed.collect::<Html>()))
            .with(self.as_files().map(|each| self.form(site, who, &each, faults)))
            .with(el("p").with(back));
        let links = self.needed.iter().filter_map(|requirement| {
            let text =
                format!("{}: {}", name(site, visit, requirement), faults.get(&requirement.id)?.text(visit.language));
            Some(el("li").with(el("a").attr("href", format!("#{}", id_of(requirement))).with(text)))
        });
        let summary = (!faults.is_empty()).then(|| {
            let heading = el("h2").with(visit.say("โปรดแก้ไขข้อมูลต่อไปนี้", "Please correct the following"));
            let links = el("ul").with(links.collect::<Html>());
            el("div").class("summary").attr("role", "alert").with(heading).with(links)
        });
        Page::new(visit, visit.say("ท่านไม่ยินยอม", "You did not consent")).before(summary.into()).body(content)
    }

    fn form(&self, site: &Site, who: &SignedIn, each: &[(&Requirement, &EvidenceTypeId)], faults: &Faults) -> Element {
        let visit = &who.visit;
        let held = site.shelf.of(self.owner(who));
        let fields = each.iter().map(|(requirement, _)| {
            let field = FileField {
                id: &id_of(requirement),
                name: &input(requirement),
                label: &name(site, visit, requirement),
                fault: faults.get(&requirement.id).copied(),
                held: held.get(&requirement.id).map(|file| &**file),
            };
            field.show(visit)
        });
        let submit = button(visit.say("ยื่นคำขอพร้อมไฟล์", "Submit the application with the files"));
        form(visit, &format!("applications/{}/papers", self.application))
            .attr("enctype", "multipart/form-data")
            .with(fields.collect::<Html>())
            .with(el("p").class("actions").with(submit))
    }
}

/// The papers that prove a requirement, and what for.
fn name(site: &Site, visit: &Visit, requirement: &Requirement) -> String {
    let known: Vec<_> = requirement.evidence.iter().map(|id| site.names.evidence(id, visit.language)).collect();
    format!("{} ({})", known.join(visit.say(" หรือ ", " or ")), visit.language.text(&requirement.name))
}

fn id_of(requirement: &Requirement) -> String {
    format!("paper-{}", requirement.id)
}

fn input(requirement: &Requirement) -> String {
    format!("file/{}", requirement.id)
}
