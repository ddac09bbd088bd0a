//! [`CaseStore`] on SQLite.

use futures_util::future::{BoxFuture, FutureExt as _};
use saphan_schemas::ids::{CaseId, EvidenceTypeId, MessageId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Connection as _, SqliteConnection};

use super::bodies::{StoredBody, body_columns, body_length, letter_binding, seal};
use super::insert::{insert, upsert};
use super::rows::{UNREADABLE, array, column, index, parsed, place, signed};
use super::{SqliteStore, failed};
use crate::cases::{Case, Pseudonym, Seeking, Sought};
use crate::sealing::{SealError, SealedOnce, StorageKeys};
use crate::store::StoreError;
use crate::store::cases::{
    CaseEvent, CaseStore, ConsentRecord, Consequences, Content, DataUse, FollowedEntry, HeldEvidence, Seeker,
    StoredLetter,
};

impl CaseStore for SqliteStore {
    fn followed(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        async {
            let next: Option<i64> = sqlx::query_scalar("SELECT next FROM case_cursor")
                .fetch_optional(&self.readers)
                .await
                .map_err(failed("read how far the log was followed"))?;
            next.map_or(Ok(0), |next| next.try_into().map_err(|_| UNREADABLE))
        }
        .boxed()
    }

    fn follow_entries(&self, first: u64, count: u32) -> BoxFuture<'_, Result<Vec<FollowedEntry>, StoreError>> {
        async move {
            let rows =
                sqlx::query("SELECT idx, leaf FROM entry WHERE idx >= ?1 AND idx < ?2 AND kind IN (1, 2) ORDER BY idx")
                    .bind(signed(first))
                    .bind(signed(first.saturating_add(u64::from(count))))
                    .fetch_all(&self.readers)
                    .await
                    .map_err(failed("read entries"))?;
            rows.iter().map(|row| Ok(FollowedEntry { index: index(row, 0)?, leaf: column(row, 1)? })).collect()
        }
        .boxed()
    }

    fn contents<'a>(&'a self, indices: &'a [u64]) -> BoxFuture<'a, Result<Vec<Content>, StoreError>> {
        async move {
            let rows = sqlx::query(CONTENTS)
                .bind(json(&indices)?)
                .fetch_all(&self.readers)
                .await
                .map_err(failed("read bodies"))?;
            let keys = self.keys();
            let content = |row: &SqliteRow| -> Result<Option<Content>, StoreError> {
                let index = index(row, 0)?;
                let Some((salt, body)) = StoredBody::read(row, 2)?.open_or_tell(&keys, index)? else {
                    return Ok(None);
                };
                Ok(Some(Content { index, leaf: column(row, 1)?, salt, body }))
            };
            rows.iter().filter_map(|row| content(row).transpose()).collect()
        }
        .boxed()
    }

    fn cases<'a>(&'a self, ids: &'a [CaseId]) -> BoxFuture<'a, Result<Vec<Case>, StoreError>> {
        async move {
            let states: Vec<String> =
                sqlx::query_scalar("SELECT state FROM case_state WHERE id IN (SELECT value FROM json_each(?1))")
                    .bind(json(&ids)?)
                    .fetch_all(&self.readers)
                    .await
                    .map_err(failed("read cases"))?;
            states.iter().map(|state| read(state)).collect()
        }
        .boxed()
    }

    fn waking(&self, now: u64, limit: u32) -> BoxFuture<'_, Result<Vec<CaseId>, StoreError>> {
        async move {
            let rows = sqlx::query("SELECT id FROM case_state WHERE wake <= ?1 ORDER BY wake LIMIT ?2")
                .bind(signed(now))
                .bind(limit)
                .fetch_all(&self.readers)
                .await
                .map_err(failed("looked for cases that wait"))?;
            rows.iter().map(|row| parsed(row, 0)).collect()
        }
        .boxed()
    }

    fn next_wake(&self) -> BoxFuture<'_, Result<Option<u64>, StoreError>> {
        async {
            let wake: Option<i64> = sqlx::query_scalar("SELECT min(wake) FROM case_state WHERE wake IS NOT NULL")
                .fetch_one(&self.readers)
                .await
                .map_err(failed("looked for cases that wait"))?;
            wake.map(|wake| wake.try_into().map_err(|_| UNREADABLE)).transpose()
        }
        .boxed()
    }

    fn cases_with_consent(&self, consent: MessageId) -> BoxFuture<'_, Result<Vec<CaseId>, StoreError>> {
        async move {
            let rows = sqlx::query("SELECT id FROM case_state WHERE consent = ?1")
                .bind(consent.to_string())
                .fetch_all(&self.readers)
                .await
                .map_err(failed("looked for cases of a consent"))?;
            rows.iter().map(|row| parsed(row, 0)).collect()
        }
        .boxed()
    }

    fn case_events(&self, id: CaseId, seq: u64) -> BoxFuture<'_, Result<Vec<CaseEvent>, StoreError>> {
        async move {
            let rows =
                sqlx::query("SELECT seq, at, idx, what FROM case_event WHERE id = ?1 AND seq >= ?2 ORDER BY seq")
                    .bind(id.to_string())
                    .bind(signed(seq))
                    .fetch_all(&self.readers)
                    .await
                    .map_err(failed("read what happened in a case"))?;
            let event = |row: &SqliteRow| {
                let what = read(column(row, 3)?)?;
                Ok(CaseEvent { seq: index(row, 0)?, at: index(row, 1)?, index: place(row, 2)?, what })
            };
            rows.iter().map(event).collect()
        }
        .boxed()
    }

    fn reusable<'a>(
        &'a self,
        people: &'a [Pseudonym],
        now: u64,
    ) -> BoxFuture<'a, Result<Vec<HeldEvidence>, StoreError>> {
        async move {
            let rows = sqlx::query(REUSABLE)
                .bind(hexadecimal(people)?)
                .bind(signed(now))
                .fetch_all(&self.readers)
                .await
                .map_err(failed("looked for evidence to use again"))?;
            let held = |row: &SqliteRow| {
                let Sought { subject, evidence_type, provider } = sought(row, 0)?;
                let (id, until, len) = (parsed(row, 4)?, index(row, 5)?, index(row, 6)?);
                Ok(HeldEvidence { subject, evidence_type, index: index(row, 3)?, id, provider, until, len })
            };
            rows.iter().map(held).collect()
        }
        .boxed()
    }

    fn seeking<'a>(&'a self, people: &'a [Pseudonym]) -> BoxFuture<'a, Result<Vec<Seeker>, StoreError>> {
        async move {
            let rows = sqlx::query(SEEKING)
                .bind(hexadecimal(people)?)
                .fetch_all(&self.readers)
                .await
                .map_err(failed("looked for cases that are after evidence"))?;
            let seeking = |row: &SqliteRow| {
                let how = if column(row, 4)? { Seeking::Asking } else { Seeking::Waiting };
                Ok(Seeker { case: parsed(row, 3)?, sought: sought(row, 0)?, how })
            };
            rows.iter().map(seeking).collect()
        }
        .boxed()
    }

    fn consent(&self, id: MessageId) -> BoxFuture<'_, Result<Option<ConsentRecord>, StoreError>> {
        async move {
            let row = sqlx::query("SELECT idx, portal, subject, terms, revoked FROM consent WHERE jti = ?1")
                .bind(id.to_string())
                .fetch_optional(&self.readers)
                .await
                .map_err(failed("read a consent"))?;
            let Some(row) = row else { return Ok(None) };
            let revoked: Option<i64> = column(&row, 4)?;
            Ok(Some(ConsentRecord {
                id,
                index: index(&row, 0)?,
                portal: parsed(&row, 1)?,
                subject: Pseudonym::from_bytes(array(column(&row, 2)?)?),
                terms: read(column(&row, 3)?)?,
                revoked: revoked.map(|place| place.try_into().map_err(|_| UNREADABLE)).transpose()?,
            }))
        }
        .boxed()
    }

    fn uses<'a>(
        &'a self,
        subject: &'a Pseudonym,
        before: u64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DataUse>, StoreError>> {
        async move {
            let rows = sqlx::query(
                "SELECT idx, type FROM data_use WHERE subject = ?1 AND idx < ?2 ORDER BY idx DESC LIMIT ?3",
            )
            .bind(&subject.as_bytes()[..])
            .bind(signed(before))
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(failed("looked for uses of data"))?;
            let row_to_use = |row: &SqliteRow| {
                let evidence_type: Option<&str> = column(row, 1)?;
                let evidence_type = evidence_type.map(|name| name.parse().map_err(|_| UNREADABLE)).transpose()?;
                Ok(DataUse { index: index(row, 0)?, evidence_type })
            };
            rows.iter().map(row_to_use).collect()
        }
        .boxed()
    }

    fn letters(&self) -> BoxFuture<'_, Result<Vec<StoredLetter>, StoreError>> {
        async move { letters(&self.readers, &self.keys()).await }.boxed()
    }

    fn follow<'a>(&'a self, consequences: &'a Consequences) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let letters = sealed_letters(&self.keys(), &consequences.letters)?;
            let mut writer = self.writer.lock().await;
            let done = follow(writer.relaxed().await?, consequences, &letters).await;
            writer.finish(done)
        }
        .boxed()
    }
}

async fn letters(pool: &SqlitePool, keys: &StorageKeys) -> Result<Vec<StoredLetter>, StoreError> {
    let rows = sqlx::query(
        "SELECT jti, case_id, text, salt, body, storage_key, nonce, ciphertext FROM case_letter ORDER BY rowid",
    )
    .fetch_all(pool)
    .await
    .map_err(failed("read letters"))?;
    let letter = |row: &SqliteRow| {
        let (id, case): (MessageId, Option<&str>) = (parsed(row, 0)?, column(row, 1)?);
        let content = match StoredBody::read(row, 3)?.open(keys, &letter_binding(id)) {
            Err(error) if error.is_damage() => {
                tracing::error!(letter = %id, "the body of this letter is damaged in the store; it is written again");
                None
            }
            content => content?,
        };
        Ok(StoredLetter {
            id,
            case: case.map(|id| id.parse().map_err(|_| UNREADABLE)).transpose()?,
            text: column(row, 2)?,
            content,
        })
    };
    rows.iter().map(letter).collect()
}

/// Salts and bodies of letters, sealed; acknowledgements have none.
fn sealed_letters(keys: &StorageKeys, letters: &[StoredLetter]) -> Result<Vec<Option<SealedOnce>>, SealError> {
    let sealed = |letter: &StoredLetter| {
        let content = letter.content.as_ref();
        content.map(|(salt, body)| seal(keys, &letter_binding(letter.id), salt, body)).transpose()
    };
    letters.iter().map(sealed).collect()
}

async fn follow(
    connection: &mut SqliteConnection,
    consequences: &Consequences,
    letters: &[Option<SealedOnce>],
) -> Result<(), StoreError> {
    let begun = connection.begin_with("BEGIN IMMEDIATE").await;
    let mut transaction = begun.map_err(failed("began to write what follows from the log"))?;
    write_cases(&mut transaction, consequences).await?;
    write_letters(&mut transaction, consequences, letters).await?;
    write_people(&mut transaction, consequences).await?;
    if let Some(next) = consequences.followed {
        sqlx::query("INSERT INTO case_cursor (id, next) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET next = ?1")
            .bind(signed(next))
            .execute(&mut *transaction)
            .await
            .map_err(failed("wrote how far the log was followed"))?;
    }
    transaction.commit().await.map_err(failed("wrote what follows from the log"))
}

async fn write_cases(to: &mut SqliteConnection, consequences: &Consequences) -> Result<(), StoreError> {
    let states =
        consequences.cases.iter().map(|case| Ok((case, json(case)?))).collect::<Result<Vec<_>, StoreError>>()?;
    upsert(to, INSERT_CASE, CASE_AGAIN, &states, |row, (case, state)| {
        row.push_bind(case.id.to_string()).push_bind(case.portal.as_str()).push_bind(signed(case.application));
        row.push_bind(case.consent.map(|id| id.to_string())).push_bind(case.wake().map(signed)).push_bind(&**state);
    })
    .await?;
    if !consequences.sought_before.is_empty() {
        sqlx::query("DELETE FROM case_seeking WHERE case_id IN (SELECT value FROM json_each(?1))")
            .bind(json(&consequences.sought_before)?)
            .execute(&mut *to)
            .await
            .map_err(failed("removed what cases were after"))?;
    }
    upsert(to, INSERT_SEEKING, SEEKING_AGAIN, &consequences.seeking, |row, Seeker { case, sought, how }| {
        row.push_bind(&sought.subject.as_bytes()[..]).push_bind(sought.evidence_type.as_str());
        row.push_bind(sought.provider.as_str()).push_bind(case.to_string()).push_bind(*how == Seeking::Asking);
    })
    .await?;
    let reused: Vec<(u64, CaseId)> =
        consequences.cases.iter().flat_map(|case| case.reused().map(|proof| (proof.index, case.id))).collect();
    insert(to, "INSERT OR IGNORE INTO case_reuse (idx, case_id) ", &reused, |row, (index, case)| {
        row.push_bind(signed(*index)).push_bind(case.to_string());
    })
    .await?;
    let events = consequences.events.iter().map(|(id, event)| Ok((id, event, json(&event.what)?)));
    let events = events.collect::<Result<Vec<_>, StoreError>>()?;
    insert(to, "INSERT OR FAIL INTO case_event (id, seq, at, idx, what) ", &events, |row, (id, event, what)| {
        row.push_bind(id.to_string()).push_bind(signed(event.seq)).push_bind(signed(event.at));
        row.push_bind(event.index.map(signed)).push_bind(&**what);
    })
    .await
}

async fn write_letters(
    to: &mut SqliteConnection,
    consequences: &Consequences,
    sealed: &[Option<SealedOnce>],
) -> Result<(), StoreError> {
    let letters: Vec<_> = consequences.letters.iter().zip(sealed).collect();
    insert(to, INSERT_LETTER, &letters, |row, (letter, sealed)| {
        let key = sealed.as_ref().map(|sealed| &sealed.key);
        row.push_bind(letter.id.to_string()).push_bind(key.map(|key| key.storage_key.to_string()));
        row.push_bind(key.map(|key| &key.sealed.nonce[..])).push_bind(key.map(|key| &*key.sealed.ciphertext));
        row.push_bind(letter.case.map(|case| case.to_string())).push_bind(&*letter.text);
        row.push_bind(sealed.as_ref().map(|sealed| &*sealed.content));
    })
    .await?;
    if consequences.done_letters.is_empty() {
        return Ok(());
    }
    sqlx::query("DELETE FROM case_letter WHERE jti IN (SELECT value FROM json_each(?1))")
        .bind(json(&consequences.done_letters)?)
        .execute(to)
        .await
        .map_err(failed("removed letters"))?;
    Ok(())
}

async fn write_people(to: &mut SqliteConnection, consequences: &Consequences) -> Result<(), StoreError> {
    upsert(to, INSERT_EVIDENCE, EVIDENCE_AGAIN, &consequences.evidence, |row, held| {
        row.push_bind(&held.subject.as_bytes()[..]).push_bind(held.evidence_type.as_str());
        row.push_bind(signed(held.index)).push_bind(held.id.to_string());
        row.push_bind(held.provider.as_str()).push_bind(signed(held.until));
    })
    .await?;
    let consents = consequences.consents.iter().map(|consent| Ok((consent, json(&consent.terms)?)));
    let consents = consents.collect::<Result<Vec<_>, StoreError>>()?;
    insert(to, INSERT_CONSENT, &consents, |row, (consent, terms)| {
        row.push_bind(consent.id.to_string()).push_bind(signed(consent.index)).push_bind(consent.portal.as_str());
        row.push_bind(&consent.subject.as_bytes()[..]).push_bind(&**terms);
    })
    .await?;
    for (id, place) in &consequences.revoked {
        sqlx::query("UPDATE consent SET revoked = ?2 WHERE jti = ?1 AND revoked IS NULL")
            .bind(id.to_string())
            .bind(signed(*place))
            .execute(&mut *to)
            .await
            .map_err(failed("noted that a consent was taken back"))?;
    }
    insert(to, "INSERT OR IGNORE INTO data_use (subject, idx, type) ", &consequences.uses, |row, (subject, one)| {
        row.push_bind(&subject.as_bytes()[..]).push_bind(signed(one.index));
        row.push_bind(one.evidence_type.as_ref().map(EvidenceTypeId::as_str));
    })
    .await
}

/// Of columns subject, type and provider, from `at` on.
fn sought(row: &SqliteRow, at: usize) -> Result<Sought, StoreError> {
    let subject = Pseudonym::from_bytes(array(column(row, at)?)?);
    Ok(Sought { subject, evidence_type: parsed(row, at + 1)?, provider: parsed(row, at + 2)? })
}

/// People, as a list that SQLite can take apart.
fn hexadecimal(people: &[Pseudonym]) -> Result<String, StoreError> {
    let digits = |person: &Pseudonym| person.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    json(&people.iter().map(digits).collect::<Vec<_>>())
}

fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| UNREADABLE)
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| UNREADABLE)
}

const INSERT_CASE: &str = "INSERT INTO case_state (id, portal, idx, consent, wake, state) ";
const CASE_AGAIN: &str = " ON CONFLICT (id) DO UPDATE SET wake = excluded.wake, state = excluded.state";
const INSERT_SEEKING: &str = "INSERT INTO case_seeking (subject, type, provider, case_id, asking) ";
/// Two requirements of one case may be after the same.
const SEEKING_AGAIN: &str =
    " ON CONFLICT (subject, type, provider, case_id) DO UPDATE SET asking = max(asking, excluded.asking)";
const SEEKING: &str = "SELECT subject, type, provider, case_id, asking FROM case_seeking \
     WHERE subject IN (SELECT unhex(value) FROM json_each(?1)) ORDER BY case_id";
const REUSABLE: &str = concat!(
    "SELECT subject, type, provider, idx, jti, until, ",
    body_length!(),
    " FROM case_evidence JOIN parts USING (idx) \
     WHERE subject IN (SELECT unhex(value) FROM json_each(?1)) AND until > ?2 ORDER BY idx DESC",
);
const INSERT_LETTER: &str =
    "INSERT OR FAIL INTO case_letter (jti, storage_key, nonce, ciphertext, case_id, text, body) ";
const INSERT_CONSENT: &str = "INSERT OR IGNORE INTO consent (jti, idx, portal, subject, terms) ";
const INSERT_EVIDENCE: &str = "INSERT INTO case_evidence (subject, type, idx, jti, provider, until) ";
const EVIDENCE_AGAIN: &str = " ON CONFLICT (subject, type, provider) \
     DO UPDATE SET idx = excluded.idx, jti = excluded.jti, until = excluded.until";
const CONTENTS: &str = concat!(
    "SELECT parts.idx, entry.leaf, ",
    body_columns!(),
    " FROM parts JOIN entry USING (idx) LEFT JOIN body_key USING (idx) \
     WHERE parts.idx IN (SELECT value FROM json_each(?1)) ORDER BY parts.idx",
);
