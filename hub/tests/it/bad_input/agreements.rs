//! Deny by default: the detail names the part that no agreement covers.

use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::problem::ProblemCode;

use super::Case;
use crate::harness::{Draft, UNLISTED_SERVICE, World};

pub(super) fn cases(world: &World) -> Vec<Case> {
    let key = &world.portal.key;
    let missing = |what, message| Case::logged(what, ProblemCode::AgreementMissing, message);
    let with = |change: &dyn Fn(&mut EnvelopeClaims)| world.withdrawal().change(change).sign(key);
    let of_type = |name: &str| {
        with(&|claims| {
            claims.message_type = name.parse().unwrap();
            claims.schema = format!("{name}@1").parse().unwrap();
        })
    };
    let parties = "there is no agreement from this sender to this recipient";
    let service = "no agreement covers this public service for this message type";
    let purpose = "no agreement covers this purpose for this message type and service";
    let validity = "the agreement that would cover it is not valid at this time";
    vec![
        missing("to oneself", Draft::withdrawal(&world.portal.id, &world.portal.id).sign(key)).detail(parties),
        missing(
            "in the other direction",
            Draft::withdrawal(&world.archive.id, &world.portal.id).sign(&world.archive.key),
        )
        .detail(parties),
        missing("another type", of_type("application.decided"))
            .detail("no agreement between the two covers this message type"),
        missing("another service", with(&|claims| claims.service = Some(UNLISTED_SERVICE.parse().unwrap())))
            .detail(service),
        missing("no service", with(&|claims| claims.service = None)).detail(service),
        missing("another purpose", with(&|claims| claims.purpose = Some("marketing".parse().unwrap()))).detail(purpose),
        missing("no purpose", with(&|claims| claims.purpose = None)).detail(purpose),
        missing("another law", with(&|claims| claims.legal_basis = Some("Some Other Act s.1".parse().unwrap())))
            .detail("the legal basis cited is not the agreement's"),
        missing("after the agreement's end", of_type("evidence.requested")).detail(validity),
        missing("before the agreement's beginning", of_type("information.supplied")).detail(validity),
    ]
}
