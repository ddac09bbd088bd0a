//! Documents, and the calls that are made about them.

use std::ops::Range;

use reqwest::header::{AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use saphan_schemas::commitment::{Committing, Salt};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::DocumentReference;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::calls::sign_token;
use super::world::Party;
use super::{Answer, Submission, TestHub};

/// A document with its salt.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) salt: Salt,
    pub(crate) bytes: Vec<u8>,
    pub(crate) media_type: &'static str,
}

impl Document {
    /// A PDF of this length, no two pieces of which are alike.
    pub(crate) fn pdf(len: usize) -> Self {
        let mut bytes = b"%PDF-1.7\n".to_vec();
        let mut number = 0_u64;
        while bytes.len() < len {
            bytes.extend_from_slice(&number.to_le_bytes());
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        }
        bytes.truncate(len);
        Self { salt: Salt::generate().unwrap(), bytes, media_type: "application/pdf" }
    }

    pub(crate) fn commit(&self) -> Sha256Hash {
        let mut committing = Committing::new(&self.salt);
        committing.update(&self.bytes);
        committing.finish().0
    }

    pub(crate) fn path(&self) -> String {
        format!("/v1/documents/{}", self.commit())
    }

    pub(crate) fn reference(&self) -> DocumentReference {
        DocumentReference {
            commit: self.commit(),
            len: self.bytes.len() as u64,
            media_type: self.media_type.into(),
            evidence_type: None,
        }
    }
}

impl TestHub {
    /// Uploads all of it in one request.
    pub(crate) async fn put(&self, party: &Party, document: &Document) -> Answer {
        self.put_as(party, document, &document.path(), None, document.bytes.clone()).await
    }

    /// Sends its bytes as the first of a longer document.
    pub(crate) async fn announce(&self, party: &Party, document: &Document, len: u64) -> Answer {
        let range = format!("bytes 0-{}/{len}", document.bytes.len() - 1);
        self.put_as(party, document, &document.path(), Some(&range), document.bytes.clone()).await
    }

    /// Uploads a piece of it.
    pub(crate) async fn put_piece(&self, party: &Party, document: &Document, piece: Range<usize>) -> Answer {
        let range = format!("bytes {}-{}/{}", piece.start, piece.end - 1, document.bytes.len());
        self.put_as(party, document, &document.path(), Some(&range), document.bytes[piece].to_vec()).await
    }

    /// Asks to check what is all there.
    pub(crate) async fn put_end(&self, party: &Party, document: &Document) -> Answer {
        let range = format!("bytes */{}", document.bytes.len());
        self.put_as(party, document, &document.path(), Some(&range), Vec::new()).await
    }

    pub(crate) async fn put_as(
        &self,
        party: &Party,
        document: &Document,
        path: &str,
        range: Option<&str>,
        bytes: Vec<u8>,
    ) -> Answer {
        let request = self.document_request(party, "PUT", path).header("saphan-salt", document.salt.to_text());
        let mut request = request.header(CONTENT_TYPE, document.media_type);
        if let Some(range) = range {
            request = request.header(CONTENT_RANGE, range);
        }
        Answer::read(request.body(bytes).send().await.unwrap()).await
    }

    /// `HEAD`.
    pub(crate) async fn look(&self, party: &Party, document: &Document) -> Answer {
        Answer::read(self.document_request(party, "HEAD", &document.path()).send().await.unwrap()).await
    }

    /// `GET`.
    pub(crate) async fn read(&self, party: &Party, document: &Document) -> Answer {
        Answer::read(self.document_request(party, "GET", &document.path()).send().await.unwrap()).await
    }

    /// `GET` of a range.
    pub(crate) async fn read_range(&self, party: &Party, document: &Document, range: &str) -> Answer {
        let request = self.document_request(party, "GET", &document.path()).header(RANGE, range);
        Answer::read(request.send().await.unwrap()).await
    }

    /// `GET` whose connection breaks off before the end that was announced.
    pub(crate) async fn read_breaks_off(&self, party: &Party, document: &Document) -> bool {
        let response = self.document_request(party, "GET", &document.path()).send().await.unwrap();
        response.status().is_success() && response.bytes().await.is_err()
    }

    /// Begins to upload all of it and cuts the connection after so many bytes.
    pub(crate) async fn put_and_cut(&self, party: &Party, document: &Document, after: usize) {
        let mut stream = self.put_and_stall(party, document, after).await;
        stream.shutdown().await.unwrap();
    }

    /// Begins to upload all of it and says nothing more after so many bytes.
    pub(crate) async fn put_and_stall(&self, party: &Party, document: &Document, after: usize) -> TcpStream {
        let path = document.path();
        let token = sign_token(self.token(party.id.as_str(), "PUT", &path), &party.key);
        let head = format!(
            "PUT {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\nsaphan-salt: {}\r\n\
             content-type: {}\r\ncontent-length: {}\r\n\r\n",
            self.address,
            document.salt.to_text(),
            document.media_type,
            document.bytes.len(),
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&document.bytes[..after]).await.unwrap();
        stream
    }

    /// A message from the portal to the office that cites a document.
    pub(crate) fn citing(&self, document: &Document) -> Submission {
        let message = self.world.withdrawal().change(|claims| {
            claims.documents.push(document.reference());
            claims.iat = self.clock.now();
        });
        message.sign(&self.world.portal.key)
    }

    /// What is done now and then without anybody asking.
    pub(crate) async fn keep_up(&self) {
        self.app.documents.keep_keys(&self.app.key_store, &*self.app.store).await;
        self.app.documents.tidy().await;
    }

    fn document_request(&self, party: &Party, method: &str, path: &str) -> reqwest::RequestBuilder {
        let token = sign_token(self.token(party.id.as_str(), method, path), &party.key);
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.url));
        request.header(AUTHORIZATION, format!("Bearer {token}"))
    }
}
