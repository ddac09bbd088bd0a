//! From answers to a message: once, however often the button is pressed.

use std::sync::Arc;

use saphan_connector::OutgoingMessage;
use saphan_schemas::envelope::DocumentReference;
use saphan_schemas::ids::{CaseId, Code, ServiceId};
use saphan_schemas::message_types::{Answer, InformationSupplied};

use super::given::Given;
use crate::agencies::answers::now;
use crate::web::Site;
use crate::web::book::Question;
use crate::web::files::{NotUploaded, Owner, document, upload_all};
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

impl Sending {
    /// Uploads the files, and sends the answers with them. Whoever comes meanwhile waits, and finds the question answered.
    pub(super) async fn run(self) -> Result<(), NotUploaded> {
        let _turn = self.question.sending.lock().await;
        if self.site.book.is_answered(self.case, self.question.envelope.jti) {
            self.site.shelf.clear(self.owner);
            return Ok(());
        }
        let uploaded = upload_all(&self.site, self.owner, &self.given.files).await?;
        self.send(uploaded).await.map_err(NotUploaded::Because)
    }

    async fn send(&self, uploaded: Vec<(Code, DocumentReference)>) -> Result<(), Because> {
        let with_document = |(item, reference): &(Code, DocumentReference)| Answer::Document {
            item: item.clone(),
            document: document(reference),
        };
        let answers = self.given.answers.iter().cloned().chain(uploaded.iter().map(with_document)).collect();
        let body = InformationSupplied { supplied_at: now().map_err(|_| Because::Internal)?, answers };
        let envelope = &self.question.envelope;
        let offer = self.site.offer(&self.service).ok_or(Because::NotFound)?;
        let message = OutgoingMessage::new(envelope.iss.clone(), &body).case(self.case).reply_to(envelope.jti);
        let message = uploaded.into_iter().fold(offer.message(message), |message, (_, cited)| message.document(cited));
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
