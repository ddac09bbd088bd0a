//! The folder of a connector.

use std::time::Duration;

use saphan_connector::{Connector, ConnectorError, Handled};

use crate::support::{OFFICE, PORTAL, Withdrawn, hub, office, portal};

#[tokio::test]
async fn two_connectors_on_one_folder_are_refused() {
    let hub = hub();
    let first = portal(&hub).await;
    let second = hub.connector(PORTAL).unwrap().build().await;
    assert!(matches!(second, Err(ConnectorError::InUse { .. })), "{second:?}");
    first.shutdown(Duration::from_secs(5)).await.unwrap();
    portal(&hub).await;
}

#[cfg(unix)]
#[tokio::test]
async fn folders_that_the_journal_makes_are_for_its_user_only_and_one_that_is_there_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt as _;

    let hub = hub();
    let there = tempfile::tempdir().unwrap();
    std::fs::set_permissions(there.path(), std::fs::Permissions::from_mode(0o750)).unwrap();
    let made = there.path().join("data/send");
    let connector = hub.connector(PORTAL).unwrap().data_dir(&made).build().await.unwrap();
    connector.shutdown(Duration::from_secs(5)).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let modes = [mode(there.path()), mode(&there.path().join("data")), mode(&made)];
    assert_eq!(modes, [0o750, 0o700, 0o700], "{modes:?}");
}

#[tokio::test]
async fn the_journal_of_another_system_is_refused() {
    let hub = hub();
    let folder = tempfile::tempdir().unwrap();
    let first = hub.connector(PORTAL).unwrap().data_dir(folder.path()).build().await.unwrap();
    first.shutdown(Duration::from_secs(5)).await.unwrap();
    let second = hub.connector(OFFICE).unwrap().data_dir(folder.path()).build().await;
    assert!(
        matches!(&second, Err(ConnectorError::OtherSystem { owner, .. }) if owner.as_str() == PORTAL),
        "{second:?}"
    );
}

#[tokio::test]
async fn a_builder_says_what_it_lacks() {
    let built = Connector::builder(PORTAL.parse().unwrap()).build().await;
    assert!(matches!(built, Err(ConnectorError::Missing { method: "trust" })), "{built:?}");
}

#[tokio::test]
async fn two_handlers_for_one_type_are_a_mistake() {
    let built = office(&hub())
        .handle(|_: Withdrawn| async { Ok(Handled::Done) })
        .handle(|_: Withdrawn| async { Ok(Handled::Done) })
        .build()
        .await;
    assert!(matches!(built, Err(ConnectorError::TwoHandlers { .. })), "{built:?}");
}
