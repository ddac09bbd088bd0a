//! The messages of a case.

use super::{Asked, AuditError, CaseQuery, CaseView};

impl Asked<'_> {
    /// The messages of a case that were logged before the query, oldest first.
    ///
    /// # Errors
    /// [`AuditError`]; [`AuditError::NotFound`] when the log has no message of the case.
    pub async fn case(&self, CaseQuery { case, after }: &CaseQuery) -> Result<CaseView, AuditError> {
        let (index, indexed) = self.index().await?;
        let end = indexed.min(self.place);
        let rows = index.case(*case, after.unwrap_or(0), AT_ONCE + 1).await;
        let mut messages = rows.map_err(|error| self.noted(error))?;
        messages.retain(|row| row.place.0 < end);
        if messages.is_empty() && after.is_none() {
            return Err(AuditError::NotFound);
        }
        let next = (messages.len() > AT_ONCE).then(|| messages.pop().map(|row| row.place.0)).flatten();
        let mut systems: Vec<String> = Vec::new();
        for system in messages.iter().flat_map(|row| [&row.says().from, &row.says().to]).flatten() {
            if !systems.contains(system) {
                systems.push(system.clone());
            }
        }
        let messages = messages.into_iter().map(|row| row.located(&self.app.shards)).collect();
        Ok(CaseView { query: self.index_of_query(), case: *case, indexed: end, systems, messages, next })
    }
}

/// Messages of an answer: more than any case has that people can look at.
const AT_ONCE: usize = 500;
