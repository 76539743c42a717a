//! Files of secrets, and those that are refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn private(path: &std::path::Path) {
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A directory with a token in it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    private(folder.path());
    fs::create_dir(folder.path().join("team")).unwrap();
    private(&folder.path().join("team"));
    write(&folder, "team/token", &format!("{TOKEN}\n"));
    folder
}

fn write(folder: &tempfile::TempDir, place: &str, text: &str) {
    fs::write(folder.path().join(place), text).unwrap();
    private(&folder.path().join(place));
}

async fn refused(folder: &tempfile::TempDir, place: &str) -> Error {
    let files = Files::new(folder.path(), clock());
    let error = files.lease(&cx(), &path(place)).await.unwrap_err();
    assert_blind(&error, &[TOKEN]);
    error
}

#[tokio::test]
async fn files_pass_the_suite() {
    let folder = folder();
    write(&folder, "team/large", &"x".repeat(BYTES_MAX + 1));
    suite(&Files::new(folder.path(), clock()), "").await;
}

#[tokio::test]
async fn what_others_could_read_or_write_is_refused() {
    for (place, mode) in [("", 0o750), ("", 0o701), ("team", 0o770), ("team/token", 0o640), ("team/token", 0o602)] {
        let folder = folder();
        fs::set_permissions(folder.path().join(place), fs::Permissions::from_mode(mode)).unwrap();
        let error = refused(&folder, "team/token").await;
        assert_eq!(error.class(), Class::Denied, "{place:?} {mode:o}: {error}");
        assert!(error.to_string().contains(&format!("{mode:03o}")), "{error}");
    }
}

#[tokio::test]
async fn links_lead_around_within_and_never_out() {
    let (folder, outside) = (folder(), tempfile::tempdir().unwrap());
    private(outside.path());
    fs::write(outside.path().join("token"), TOKEN).unwrap();
    private(&outside.path().join("token"));
    symlink(outside.path().join("token"), folder.path().join("out")).unwrap();
    symlink(outside.path(), folder.path().join("beside")).unwrap();
    symlink("team/token", folder.path().join("within")).unwrap();
    for place in ["out", "beside/token"] {
        let error = refused(&folder, place).await;
        assert_eq!(error.class(), Class::Denied, "{place}: {error}");
    }
    let files = Files::new(folder.path(), clock());
    assert_eq!(files.lease(&cx(), &path("within")).await.unwrap().secret().unwrap().reveal(), TOKEN);
    // The directory itself may be reached by a link: the operator named it.
    symlink(folder.path(), outside.path().join("link")).unwrap();
    let files = Files::new(&outside.path().join("link"), clock());
    assert!(files.lease(&cx(), &path("team/token")).await.is_ok());
}

#[tokio::test]
async fn what_is_no_text_in_a_regular_file_is_refused() {
    let folder = folder();
    write(&folder, "empty", "\n");
    fs::write(folder.path().join("binary"), [0xff, 0xfe]).unwrap();
    private(&folder.path().join("binary"));
    for (place, class) in [("empty", Class::Corrupt), ("binary", Class::Corrupt), ("team", Class::Denied)] {
        let error = refused(&folder, place).await;
        assert_eq!(error.class(), class, "{place}: {error}");
    }
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert_eq!(refused(&folder, "pipe").await.class(), Class::Denied, "and nobody waits for its other end");
    let gone = Files::new(&folder.path().join("nowhere"), clock());
    assert_eq!(gone.lease(&cx(), &path("team/token")).await.unwrap_err().class(), Class::NotFound);
}
