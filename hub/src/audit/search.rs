//! Searching.

use super::{Asked, AuditError, Page, Search};

impl Asked<'_> {
    /// A page of the entries that fit and were logged before the query.
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn search(&self, search: &Search) -> Result<Page, AuditError> {
        let (index, indexed) = self.index().await?;
        let _place = self.app.audit.place_to_search(&self.auditor).await?;
        let end = indexed.min(self.place);
        let before = search.before.map_or(end, |before| before.min(end));
        let found = index.search(&search.filter, before, search.limit.rows()).await;
        let found = found.map_err(|error| self.noted(error))?;
        let rows = found.rows.into_iter().map(|row| row.located(&self.app.shards)).collect();
        Ok(Page { query: self.index_of_query(), indexed: end, rows, next: found.next })
    }
}
