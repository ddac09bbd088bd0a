//! The health of the exchange.

use super::{Asked, AuditError, Health, HealthQuery};

impl Asked<'_> {
    /// What was logged, slot by slot.
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn health(&self, query: &HealthQuery) -> Result<Health, AuditError> {
        let _lane = self.app.audit.lanes.enter(&self.auditor).await;
        let (index, indexed) = self.index().await?;
        let (since, until, minutes) = query.parts();
        let slots = index.health(since, until, minutes).await.map_err(|error| self.noted(error))?;
        Ok(Health { query: self.index_of_query(), indexed, slots })
    }
}
