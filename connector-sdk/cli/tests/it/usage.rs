//! Arguments, help and exit codes.

use crate::program::saphan;

#[test]
fn help_documents_the_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let help = saphan(folder.path(), ["--help"]);
    assert_eq!(help.code, 0);
    for line in ["0  done", "1  no", "2  wrong use", "3  not now"] {
        assert!(help.out.contains(line), "{line} is not in\n{}", help.out);
    }
}

#[test]
fn wrong_arguments_are_told_on_standard_error_and_with_json_as_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = saphan(folder.path(), ["send", "--to", "nobody", "--type", "a.b", "-"]);
    assert_eq!((wrong.code, wrong.out.as_str()), (2, ""));
    assert!(wrong.err.contains("system id"), "{}", wrong.err);
    let wrong = saphan(folder.path(), ["--json", "send", "--to", "nobody", "--type", "a.b", "-"]);
    assert_eq!(wrong.code, 2);
    let error = &wrong.json()["error"];
    assert!(error["what"].as_str().unwrap().contains("system id"), "{error}");
    assert_eq!(error["side"], "caller");
}

#[test]
fn with_json_every_argument_that_is_missing_is_named_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let what = |arguments: &[&str]| {
        let wrong = saphan(folder.path(), arguments);
        assert_eq!(wrong.code, 2);
        wrong.json()["error"]["what"].as_str().unwrap().to_owned()
    };
    let missing = what(&["--json", "send", "-"]);
    assert!(missing.starts_with("the following required arguments were not provided: --to <"), "{missing}");
    assert!(missing.contains(", --type <"), "{missing}");
    let conflict = what(&["--json", "verify", "m", "--trust", "t", "--hub-keys", "h", "--vkey", "v"]);
    assert!(conflict.contains("--trust") && conflict.contains("--vkey"), "{conflict}");
    for told in [missing, conflict] {
        assert!(!told.contains('\n') && !told.contains("Usage"), "{told}");
    }
}

#[test]
fn a_thumbprint_may_begin_with_hyphens_and_options_are_options_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for kid in ["-11vNy79fXUOKeMCnRfoDiOTHt3d3GywXDZgh3Lwcvg", "--1vNy79fXUOKeMCnRfoDiOTHt3d3GywXDZgh3Lwcvg"] {
        let revoked = saphan(folder.path(), ["keys", "revoke", kid, "--config", "none.toml"]);
        assert!(revoked.err.contains("none.toml"), "{}", revoked.err);
    }
    let others = saphan(folder.path(), ["keys", "revoke", "--all-others", "--config", "none.toml"]);
    assert!(others.err.contains("none.toml"), "{}", others.err);
    let wrong = saphan(folder.path(), ["keys", "revoke", "--al-others"]);
    assert_eq!(wrong.code, 2, "{}", wrong.err);
}
