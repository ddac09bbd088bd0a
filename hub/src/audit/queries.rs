//! What auditors asked before.

use saphan_schemas::facts::EntryKind;

use super::{Asked, AuditError, Filter, PastQueries, PastQuery, PlacedRow, QueriesQuery};

impl Asked<'_> {
    /// Past queries, this one not among them, newest first.
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn queries(&self, QueriesQuery { before, limit }: &QueriesQuery) -> Result<PastQueries, AuditError> {
        let (index, indexed) = self.index().await?;
        let before = before.unwrap_or(u64::MAX).min(indexed).min(self.place);
        let filter = Filter { kind: Some(EntryKind::Query), ..Filter::default() };
        let _place = self.app.audit.place_to_search(&self.auditor).await?;
        let found = index.search(&filter, before, limit.rows()).await.map_err(|error| self.noted(error))?;
        let places: Vec<u64> = found.rows.iter().map(|row| row.place.0).collect();
        let mut kept = self.app.store.queries(&places).await?;
        let query = |row: PlacedRow| {
            let at = kept.iter().position(|kept| kept.index == row.place.0);
            let kept = at.map(|at| kept.swap_remove(at));
            let (salt, text) = kept.map(|kept| (kept.salt.to_text(), kept.text)).unzip();
            let row = row.located(&self.app.shards);
            PastQuery { index: row.index, log: row.log, at: row.at, auditor: row.from.unwrap_or_default(), text, salt }
        };
        Ok(PastQueries { queries: found.rows.into_iter().map(query).collect(), next: found.next })
    }
}
