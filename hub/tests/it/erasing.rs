//! Bodies: sealed while they are kept, and erased.

mod by_hand;
mod cases;
mod in_time;

use saphan_hub::erasing::upkeep::erase_due;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::harness::{Answer, HUB, Party, Submission, TestHub, batch, sign_batch, sign_token};

const DAY: u64 = 86_400;

impl TestHub {
    /// Asks, as the operator, to erase the bodies at these places.
    pub(crate) async fn erase(&self, messages: &[u64], basis: &str) -> Answer {
        self.erase_of(&json!({ "messages": messages, "basis": basis })).await
    }

    /// Asks it in these words.
    pub(crate) async fn erase_of(&self, body: &Value) -> Answer {
        let path = "/v1/erasures";
        let token = sign_token(self.token(HUB, "POST", path), &self.operator);
        self.call_with(&format!("Bearer {token}"), "POST", path, body).await
    }

    /// Accepts a message and has its recipient acknowledge it.
    pub(crate) async fn deliver(&self, message: &Submission, recipient: &Party) -> u64 {
        let index = self.accept(message).await;
        self.settle(recipient, index).await;
        index
    }

    async fn settle(&self, recipient: &Party, index: u64) {
        let signed = sign_batch(batch(recipient, &[(index, None)]), &recipient.key);
        assert_eq!(self.acknowledge(recipient, &signed).await.status, 201);
    }

    /// The place of the entry that says that the body was erased.
    async fn erased(&self, message: &Submission) -> Option<u64> {
        self.show(&self.world.portal, message).await.json::<Value>(200)["erased"].as_u64()
    }

    async fn advance_days(&self, days: u64) -> usize {
        self.clock.advance(days * DAY);
        erase_due(&self.app).await.unwrap()
    }

    /// Another connection to the store's file.
    pub(crate) async fn store_file(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.data_folder().join("hub.sqlite")).connect().await.unwrap()
    }

    /// What is stored of a body, and its wrapped key.
    async fn stored(&self, index: u64) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut connection = self.store_file().await;
        let row = sqlx::query_as("SELECT body, ciphertext FROM parts JOIN body_key USING (idx) WHERE idx = ?1")
            .bind(i64::try_from(index).unwrap())
            .fetch_optional(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        row
    }

    /// The files of the store that hold these bytes.
    fn files_with(&self, bytes: &[u8]) -> Vec<String> {
        let files = std::fs::read_dir(self.data_folder()).unwrap().map(|entry| entry.unwrap().path());
        let store = files.filter(|path| path.to_string_lossy().contains("hub.sqlite"));
        let holds =
            |path: &std::path::PathBuf| std::fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes);
        store.filter(holds).map(|path| path.display().to_string()).collect()
    }
}
