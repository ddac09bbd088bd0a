//! Effects exactly once, in the agency's own transaction.

use std::sync::Arc;

use saphan_connector::Handled;
use saphan_connector::effects::CREATE_TABLE;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{Mutex, Semaphore};

use crate::support::{Withdrawn, acknowledged, hub, in_time, office, portal, until, until_crash, withdrawal};

#[test]
fn an_effect_that_was_committed_before_a_crash_does_not_happen_again() {
    let hub = hub();
    let folder = tempfile::tempdir().unwrap();
    let path = format!("sqlite://{}?mode=rwc", folder.path().join("agency.sqlite").display());
    until_crash(async {
        let mut database = SqliteConnection::connect(&path).await.unwrap();
        sqlx::query(CREATE_TABLE).execute(&mut database).await.unwrap();
        sqlx::query("CREATE TABLE withdrawals (message TEXT NOT NULL)").execute(&mut database).await.unwrap();
        let committed = Arc::new(Semaphore::new(0));
        let (tell, database) = (Arc::clone(&committed), Arc::new(Mutex::new(database)));
        let _office = office(&hub)
            .handle(move |message: Withdrawn| {
                let (tell, database) = (Arc::clone(&tell), Arc::clone(&database));
                async move {
                    withdraw(&message, &mut *database.lock().await).await?;
                    tell.add_permits(1);
                    // Killed here: after the agency's commit, before the connector's.
                    std::future::pending().await
                }
            })
            .build()
            .await
            .unwrap();
        let portal = portal(&hub).await;
        in_time(portal.send(withdrawal())).await.unwrap();
        let _committed = in_time(committed.acquire()).await.unwrap();
    });
    // The connector may have died before it stored the message: then it is the hub's, until the lease is over.
    hub.deliver_all_again();
    until_crash(async {
        let database = Arc::new(Mutex::new(SqliteConnection::connect(&path).await.unwrap()));
        let used = Arc::clone(&database);
        let _office = office(&hub)
            .handle(move |message: Withdrawn| {
                let database = Arc::clone(&used);
                async move {
                    withdraw(&message, &mut *database.lock().await).await?;
                    Ok(Handled::Done)
                }
            })
            .build()
            .await
            .unwrap();
        until(&hub, |hub| acknowledged(hub) == 1).await;
        assert_eq!(withdrawals(&mut *database.lock().await).await, 1);
    });
}

#[tokio::test]
async fn a_claim_that_is_rolled_back_can_be_made_again() {
    let mut database = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    sqlx::query(CREATE_TABLE).execute(&mut database).await.unwrap();
    let key = saphan_connector::effects::EffectKey::new(
        "th.dopa/civil-registry".parse().unwrap(),
        saphan_connector::schemas::ids::MessageId::new(),
    );
    let mut transaction = database.begin().await.unwrap();
    assert!(key.claim(&mut transaction).await.unwrap());
    assert!(!key.claim(&mut transaction).await.unwrap());
    transaction.rollback().await.unwrap();
    assert!(key.claim(&mut database).await.unwrap());
    assert!(!key.claim(&mut database).await.unwrap());
}

async fn withdraw(message: &Withdrawn, database: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut transaction = database.begin().await?;
    if message.effect().claim(&mut transaction).await? {
        let insert = sqlx::query("INSERT INTO withdrawals VALUES (?)").bind(message.id().to_string());
        insert.execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

async fn withdrawals(database: &mut SqliteConnection) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM withdrawals").fetch_one(database).await.unwrap()
}
