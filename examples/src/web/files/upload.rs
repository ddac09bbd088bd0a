//! From the shelf to the hub.

use std::sync::Arc;

use saphan_schemas::envelope::DocumentReference;
use saphan_schemas::ids::Code;
use saphan_schemas::message_types::Document;

use super::{Faults, Owner, Received};
use crate::web::Site;
use crate::web::refusal::Because;

/// Why there is not everything at the hub.
pub(in super::super) enum NotUploaded {
    /// Files did not get through.
    Files(Faults),
    /// Something else.
    Because(Because),
}

/// Uploads files; answers what messages cite them by. A file that the hub does not take is let go, any other waits on.
///
/// # Errors
/// [`NotUploaded`].
pub(in super::super) async fn upload_all(
    site: &Site,
    owner: Owner,
    files: &[(Code, Arc<Received>)],
) -> Result<Vec<(Code, DocumentReference)>, NotUploaded> {
    let (mut uploaded, mut faults) = (Vec::new(), Faults::new());
    for (what, file) in files {
        match file.upload(site.connector.documents()).await.map_err(NotUploaded::Because)? {
            Ok(reference) => uploaded.push((what.clone(), reference)),
            Err(fault) => {
                faults.insert(what.clone(), fault);
                if fault.may_pass() {
                    // The others would wait as long.
                    break;
                }
                site.shelf.remove(owner, what);
            }
        }
    }
    if faults.is_empty() { Ok(uploaded) } else { Err(NotUploaded::Files(faults)) }
}

/// A document as a message's body names it. It is called nothing: what the person calls it is nobody's business.
pub(in super::super) fn document(reference: &DocumentReference) -> Document {
    let DocumentReference { commit, len, media_type, .. } = reference.clone();
    Document { commit, len, media_type, title: None }
}
