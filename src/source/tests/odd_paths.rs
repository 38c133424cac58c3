//! Names that are missing, double, looping, patterns, or of something that is no file.

use super::*;

#[test]
fn directories_are_read_whole_sorted_and_without_hidden_entries() {
    let directory = directory(&[
        ("b/audit.log.1", b"1\n"),
        ("b/audit.log", b"2\n"),
        ("a.gz", b"not gzip, and read all the same\n"),
        (".hidden", b"3\n"),
        (".git/config", b"4\n"),
    ]);
    let root = directory.path();
    let found = find(&[root.to_owned()]);
    assert_eq!(
        names(&found, root),
        ["a.gz", "b/audit.log", "b/audit.log.1"]
    );
    let why = "2 hidden entries were left out: name them to have them read";
    assert_eq!(
        whys(&found, root),
        [(root.display().to_string(), why.to_owned(), false)]
    );
    assert_eq!(names(&find(&[root.join(".hidden")]), root), [".hidden"]);
}

#[test]
fn an_empty_directory_is_a_trouble() {
    let directory = directory(&[]);
    let found = find(&[directory.path().to_owned()]);
    assert!(
        found.inputs.is_empty() && found.troubles[0].unreadable,
        "{found:?}"
    );
}

#[test]
fn a_file_is_read_once_under_its_first_name() {
    let directory = directory(&[("b", b"1\n"), ("d/c", b"2\n")]);
    let root = directory.path();
    fs::hard_link(root.join("b"), root.join("a")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(root.join("d"), root.join("e")).unwrap();
    let once = find(&[root.to_owned()]);
    let often = find(&[
        root.join("b"),
        root.join("d/../a"),
        root.to_owned(),
        root.to_owned(),
    ]);
    assert_eq!(names(&once, root), ["a", "d/c"]);
    assert_eq!(once, often);
}

#[test]
fn standard_input_is_read_once() {
    let found = find(&["-".into(), "-".into()]);
    assert_eq!(only(&found).name(), "<stdin>");
    assert_eq!(only(&found).stored_bytes(), None);
}

#[test]
fn patterns_are_expanded_when_no_such_file_exists() {
    let directory = directory(&[
        ("audit-1.log", b"1\n"),
        ("audit-2.log", b"2\n"),
        (".audit-3.log", b"3\n"),
        ("audit[1].txt", b"4\n"),
    ]);
    let root = directory.path();
    let found = find(&[root.join("audit-*.log")]);
    assert_eq!(names(&found, root), ["audit-1.log", "audit-2.log"]);
    assert_eq!(
        names(&find(&[root.join("audit[1].txt")]), root),
        ["audit[1].txt"]
    );
    assert_eq!(
        names(&find(&[root.join("audit-[2-9]*")]), root),
        ["audit-2.log"]
    );
    let found = find(&[root.join("*.gz"), root.join("[")]);
    assert!(found.inputs.is_empty());
    assert!(
        found
            .troubles
            .iter()
            .all(|t| t.unreadable && t.why.starts_with("no such file"))
    );
    assert_eq!(found.troubles.len(), 2);
}

#[test]
fn what_cannot_be_read_does_not_stop_the_rest() {
    let directory = directory(&[("good", b"1\n")]);
    let root = directory.path();
    let paths =
        ["missing", &"x".repeat(5000), "nul\0byte", "good/below"].map(|name| root.join(name));
    let found = find(&[&paths[..], &[root.join("good"), PathBuf::new()]].concat());
    assert_eq!(names(&found, root), ["good"]);
    assert_eq!(found.troubles.len(), 5, "{:?}", found.troubles);
    assert!(found.troubles.iter().all(|t| t.unreadable));
    fs::remove_file(root.join("good")).unwrap();
    let trouble = only(&found).open(&DEFAULT).unwrap_err();
    assert_eq!(
        (trouble.why.as_str(), trouble.unreadable),
        ("no such file", true)
    );
}

#[cfg(unix)]
#[test]
fn symlink_loops_and_dangling_symlinks_are_reported() {
    use std::os::unix::fs::symlink;
    let directory = directory(&[("d/good", b"1\n")]);
    let root = directory.path();
    symlink(root, root.join("d/up")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("self", root.join("self")).unwrap();
    symlink("nowhere", root.join("d/.#lock")).unwrap();
    let found = find(&[root.to_owned()]);
    assert_eq!(names(&found, root), ["d/good"]);
    let whys = whys(&found, root);
    let whys: Vec<_> = whys
        .iter()
        .map(|(f, w, u)| (f.as_str(), w.as_str(), *u))
        .collect();
    let above = root.display().to_string();
    let looping = format!("symlink loop: it leads back to {above}, not followed");
    assert_eq!(
        whys[0].1,
        "1 hidden entry was left out: name it to have it read"
    );
    assert_eq!(whys[1], ("d/up", looping.as_str(), false));
    assert_eq!(whys[2], ("dangling", "the symlink leads nowhere", true));
    assert_eq!((whys[3].0, whys[3].2, whys.len()), ("self", true, 4));
    let named = find(&[root.join("dangling")]);
    assert_eq!(named.troubles[0].why, "the symlink leads nowhere");
}

#[cfg(unix)]
#[test]
fn a_fifo_is_read_when_named_and_left_out_of_directories() {
    let directory = directory(&[("good", b"1\n")]);
    let root = directory.path();
    let fifo = root.join("fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let found = find(&[root.to_owned()]);
    assert_eq!(names(&found, root), ["good"]);
    let why = "left out: neither a file nor a directory; name it to have it read";
    assert_eq!(
        whys(&found, root),
        [("fifo".to_owned(), why.to_owned(), false)]
    );

    let log = log(20_000);
    let stored = gzip(&log);
    let writer = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::write(fifo, stored)
    });
    assert_eq!(content(&fifo, &limits(1000, 1000)), (log, vec![]));
    writer.join().unwrap().unwrap();
}

/// The names that are read of `text` and its compressed twin, and how many notes there are.
#[track_caller]
fn check_twins(text: &[u8], packed: &[u8], read: &[&str]) {
    for name in ["audit.log.gz", "audit.log.zst"] {
        let directory = directory(&[("audit.log", text), (name, packed)]);
        let root = directory.path();
        let found = find(&[root.to_owned()]);
        let expected: Vec<_> = read
            .iter()
            .map(|r| if *r == "packed" { name } else { "audit.log" })
            .collect();
        assert_eq!(names(&found, root), expected);
        assert_eq!(found.troubles.len(), 2 - read.len(), "{:?}", found.troubles);
        assert!(
            found
                .troubles
                .iter()
                .all(|t| !t.unreadable && t.why.contains("as well"))
        );
    }
}

#[test]
fn a_log_beside_its_own_compressed_copy_is_read_once() {
    let log = log(9000);
    let (half, packed) = (&log[..log.len() / 2], gzip(&log));
    check_twins(&log, &packed, &["text"]);
    // lumberjack, at work or killed at it
    check_twins(&log, &packed[..packed.len() / 2], &["text"]);
    check_twins(&log, &packed[..3], &["text"]);
    check_twins(&log, b"", &["text"]);
    check_twins(&log, &zstd(half), &["text"]);
    // gunzip, killed at it
    check_twins(half, &packed, &["packed"]);
}

#[test]
fn logs_that_only_share_a_name_are_both_read() {
    let ours = log(9000);
    let mut theirs = ours.clone();
    theirs[200_000] ^= 1;
    check_twins(&ours, &gzip(&theirs), &["text", "packed"]);
    check_twins(&ours, &gzip(b"another\n"), &["text", "packed"]);
    check_twins(b"", &gzip(&ours), &["text", "packed"]);
}

/// So many that each thread has some, and one thread few.
#[test]
fn a_large_directory_is_the_same_for_any_number_of_threads() {
    let names: Vec<String> = (0..2500).map(|n| format!("audit-{n:04}.log")).collect();
    let mut files: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), &b"1\n"[..]))
        .collect();
    files.extend([(".hidden", &b"2\n"[..]), ("z/below.log", &b"3\n"[..])]);
    let directory = directory(&files);
    let root = directory.path();
    for threads in [0, 1, 2, 3, 100] {
        let mut walk = Walk::new(&[root.to_owned()]).over(threads);
        let walked: Vec<String> = walk
            .by_ref()
            .map(|input| below(input.name(), root))
            .collect();
        assert_eq!(walked.len(), names.len() + 1, "{threads} threads");
        assert_eq!(walked[..names.len()], names, "{threads} threads");
        assert_eq!(walk.into_troubles().len(), 1, "the hidden one");
    }
}

/// Date-partitioned folders: nothing is known of a folder before it is its turn, and the order is stable.
#[test]
fn an_archive_is_walked_one_directory_at_a_time() {
    let names: Vec<String> = (1..=12)
        .flat_map(|day| (0..5).map(move |part| format!("2026/01/{day:02}/part-{part}.log")))
        .collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), &b"12345"[..]))
        .collect();
    let directory = directory(&files);
    let root = directory.path();
    let mut walk = Walk::new(&[root.join("2026"), root.join("2026/01/07/part-3.log")]);
    let known = 5;
    assert_eq!(
        walk.stored_bytes(),
        Some(known),
        "only what was named is known"
    );
    let mut walked = Vec::new();
    while let Some(input) = walk.next() {
        walked.push(below(input.name(), root));
        let days = walked.len().div_ceil(5) as u64;
        assert_eq!(walk.stored_bytes(), Some(known + days * 25));
    }
    assert_eq!(walked, names);
    assert!(walk.into_troubles().is_empty());
}
