//! From answers to a message: once, however often the button is pressed.

use std::sync::Arc;

use saphan_connector::OutgoingMessage;
use saphan_schemas::envelope::DocumentReference;
use saphan_schemas::ids::{CaseId, ServiceId};
use saphan_schemas::message_types::{Answer, InformationSupplied};

use super::given::{Given, Lack, Lacks};
use crate::agencies::answers::now;
use crate::web::Site;
use crate::web::book::Question;
use crate::web::files::{Owner, document};
use crate::web::refusal::Because;

/// An answer on its way.
pub(super) struct Sending {
    pub(super) site: Arc<Site>,
    pub(super) case: CaseId,
    pub(super) service: ServiceId,
    pub(super) owner: Owner,
    pub(super) question: Question,
    pub(super) given: Given,
}

/// Why nothing was sent.
pub(super) enum NotSent {
    /// A file did not get through.
    Lacks(Lacks),
    /// Something else.
    Because(Because),
}

impl Sending {
    /// Uploads the files, and sends the answers with them. Whoever comes meanwhile waits, and finds the question answered.
    pub(super) async fn run(self) -> Result<(), NotSent> {
        let _turn = self.question.sending.lock().await;
        if self.site.book.is_answered(self.case, self.question.envelope.jti) {
            return Ok(());
        }
        let mut answers = self.given.answers.clone();
        let documents = self.upload(&mut answers).await?;
        self.send(answers, documents).await.map_err(NotSent::Because)
    }

    async fn upload(&self, answers: &mut Vec<Answer>) -> Result<Vec<DocumentReference>, NotSent> {
        let (mut documents, mut lacks) = (Vec::new(), Lacks::new());
        for (item, file) in &self.given.files {
            match file.upload(self.site.connector.documents()).await.map_err(NotSent::Because)? {
                Ok(reference) => {
                    answers.push(Answer::Document { item: item.clone(), document: document(&reference) });
                    documents.push(reference);
                }
                Err(fault) => {
                    lacks.insert(item.clone(), Lack::File(fault));
                    if fault.may_pass() {
                        // The others would wait as long.
                        break;
                    }
                    self.site.shelf.remove(self.owner, item);
                }
            }
        }
        if lacks.is_empty() { Ok(documents) } else { Err(NotSent::Lacks(lacks)) }
    }

    async fn send(&self, answers: Vec<Answer>, documents: Vec<DocumentReference>) -> Result<(), Because> {
        let body = InformationSupplied { supplied_at: now().map_err(|_| Because::Internal)?, answers };
        let envelope = &self.question.envelope;
        let offer = self.site.offer(&self.service).ok_or(Because::NotFound)?;
        let message = OutgoingMessage::new(envelope.iss.clone(), &body).case(self.case).reply_to(envelope.jti);
        let message = documents.into_iter().fold(offer.message(message), OutgoingMessage::document);
        // Marked first: the next question may come before the receipt.
        self.mark(true);
        let sent = self.site.send(message).await;
        match sent {
            // What is not acknowledged in time is in the outbox, and goes on by itself.
            Ok(()) | Err(Because::Unreachable) => self.site.shelf.clear(self.owner),
            Err(_) => self.mark(false),
        }
        sent
    }

    fn mark(&self, answered: bool) {
        self.site.book.change(self.case, |case| {
            let same = case.questions.iter_mut().find(|known| known.envelope.jti == self.question.envelope.jti);
            if let Some(known) = same {
                known.answered = answered;
            }
        });
    }
}
