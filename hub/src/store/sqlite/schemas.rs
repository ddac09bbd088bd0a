//! The texts of schemas.

use saphan_schemas::catalogue::SchemaText;
use saphan_schemas::digest::Sha256Hash;
use sqlx::sqlite::SqlitePool;
use sqlx::{Connection as _, SqliteConnection};

use super::failed;
use crate::store::StoreError;

pub(super) async fn keep(to: &mut SqliteConnection, texts: &[SchemaText]) -> Result<(), StoreError> {
    let mut transaction = to.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began to keep schemas"))?;
    for text in texts {
        sqlx::query("INSERT OR IGNORE INTO schema_text (sha256, text) VALUES (?1, ?2)")
            .bind(text.sha256.as_bytes().as_slice())
            .bind(&*text.text)
            .execute(&mut *transaction)
            .await
            .map_err(failed("kept a schema"))?;
    }
    transaction.commit().await.map_err(failed("kept schemas"))
}

pub(super) async fn texts(pool: &SqlitePool, hashes: &[Sha256Hash]) -> Result<Vec<SchemaText>, StoreError> {
    let mut found = Vec::with_capacity(hashes.len());
    for hash in hashes {
        let text: Option<String> = sqlx::query_scalar("SELECT text FROM schema_text WHERE sha256 = ?1")
            .bind(hash.as_bytes().as_slice())
            .fetch_optional(pool)
            .await
            .map_err(failed("read a schema"))?;
        let Some(text) = text else { continue };
        let text = SchemaText::parse(&text).ok().filter(|text| text.sha256 == *hash);
        found.push(text.ok_or(StoreError::Corrupt { what: "the text of a schema" })?);
    }
    Ok(found)
}
