//! Files that grow, are renamed, copied, truncated, compressed, moved and deleted: nothing counts twice and
//! nothing is lost.

use std::fs;

use super::site::{Site, gzip, joined, sample, zstd};

#[test]
fn half_a_line_waits_for_the_rest_and_is_read_once() {
    let (site, all) = (Site::new(), sample());
    let (half, rest) = all[100].split_at(700);
    site.write("audit.log", joined(&all[..100]) + half);
    site.holds(&[&all[..100]]);
    site.holds(&[&all[..100]]);
    site.append("audit.log", rest);
    // Whole, but it may go on.
    site.holds(&[&all[..100]]);
    site.append("audit.log", "\n".to_owned() + &joined(&all[101..150]));
    site.holds(&[&all[..150]]);
    let report = site.holds(&[&all[..150]]);
    assert_eq!(report["input"]["lines"], 150);
    assert_eq!(report["input"]["files"], 1);
}

#[test]
fn a_last_line_that_nobody_ends_is_read_when_it_is_old() {
    let (site, all) = (Site::new(), sample());
    let open = joined(&all[..100]);
    site.write("audit.log", open.trim_end());
    site.holds(&[&all[..99]]);
    site.age("audit.log", 9);
    site.holds(&[&all[..99]]);
    site.age("audit.log", 11);
    site.holds(&[&all[..100]]);
    site.holds(&[&all[..100]]);
    site.append("audit.log", "\n");
    site.holds(&[&all[..100]]);
    site.append("audit.log", joined(&all[100..300]));
    let report = site.holds(&[&all[..300]]);
    assert_eq!(report["input"]["lines"], 300);
}

#[test]
fn half_a_line_that_is_old_still_waits() {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..99]) + &all[99][..500]);
    site.age("audit.log", 60);
    site.holds(&[&all[..99]]);
    site.append("audit.log", all[99][500..].to_owned() + "\n");
    site.holds(&[&all[..100]]);
}

#[test]
fn a_newline_that_comes_late_does_no_harm_after_rotation() {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..100]).trim_end());
    site.age("audit.log", 11);
    site.holds(&[&all[..100]]);
    site.append("audit.log", "\n".to_owned() + &joined(&all[100..200]));
    site.write(
        "audit-1.log.gz",
        gzip(fs::read(site.log("audit.log")).unwrap()),
    );
    site.remove("audit.log");
    site.write("audit.log", joined(&all[200..300]));
    let report = site.holds(&[&all[..300]]);
    assert_eq!(report["input"]["files"], 2);
}

#[test]
fn a_file_is_known_after_rename_compression_and_move() {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..100]));
    site.holds(&[&all[..100]]);
    site.append("audit.log", joined(&all[100..200]));
    site.rename("audit.log", "audit-1.log");
    site.write("audit.log", joined(&all[200..230]));
    let report = site.holds(&[&all[..230]]);
    assert_eq!(report["input"]["files"], 2);

    // While it is compressed, part of it stands in the .gz; then all of it does.
    let packed = gzip(joined(&all[..200]));
    for bytes in [
        0,
        5,
        packed.len() / 10,
        packed.len() / 2,
        packed.len() - 4,
        packed.len(),
    ] {
        site.write("audit-1.log.gz", &packed[..bytes]);
        site.append("audit.log", "");
        site.holds(&[&all[..230]]);
    }
    site.remove("audit-1.log");
    site.holds(&[&all[..230]]);
    site.rename("audit-1.log.gz", "old/2026/audit-1.log.gz");
    site.holds(&[&all[..230]]);
    site.write("old/2026/audit-1.log.zst", zstd(joined(&all[..200])));
    site.holds(&[&all[..230]]);
    site.remove("old/2026/audit-1.log.gz");
    let report = site.holds(&[&all[..230]]);
    assert_eq!(report["input"]["files"], 2);

    // What was read stays when the file goes.
    site.remove("old/2026/audit-1.log.zst");
    site.append("audit.log", joined(&all[230..240]));
    let report = site.report(&[]);
    super::site::assert_holds(&report, &all[..240]);
}

#[test]
fn what_grew_before_it_was_compressed_is_read_from_the_compressed_file() {
    for (name, pack) in [("a.gz", gzip as fn(String) -> Vec<u8>), ("a.zst", zstd)] {
        let (site, all) = (Site::new(), sample());
        site.write("audit.log", joined(&all[..100]) + &all[100][..50]);
        site.holds(&[&all[..100]]);
        site.write(name, pack(joined(&all[..170])));
        site.remove("audit.log");
        site.holds(&[&all[..170]]);
        site.write("audit.log", joined(&all[170..180]));
        site.holds(&[&all[..180]]);
    }
}

#[test]
fn an_incomplete_compressed_copy_alone_is_gone_on_with() {
    let (site, all) = (Site::new(), sample());
    let packed = gzip(joined(&all[..200]));
    site.write("audit.log", joined(&all[..150]));
    site.holds(&[&all[..150]]);
    site.remove("audit.log");
    // kube-apiserver writes on; the copy of what was rotated is not there yet.
    site.write("audit.log", joined(&all[200..210]));
    site.write("audit-1.log.gz.tmp", &packed[..packed.len() / 3]);
    let both = [&all[..150], &all[200..210]].concat();
    let report = site.report(&[]);
    super::site::assert_holds(&report, &both);
    site.write("audit-1.log.gz.tmp", &packed);
    site.rename("audit-1.log.gz.tmp", "audit-1.log.gz");
    site.holds(&[&all[..210]]);
}

#[test]
fn copytruncate_counts_nothing_twice() {
    let (site, all) = (Site::new(), sample());
    let text = joined(&all[..200]);
    site.write("audit.log", joined(&all[..150]));
    site.holds(&[&all[..150]]);
    // The run comes while the copy is made.
    site.write("audit.log.1", &text[..text.len() / 3]);
    site.holds(&[&all[..150]]);
    site.append("audit.log", joined(&all[150..200]));
    site.write("audit.log.1", &text[..text.len() - 3]);
    site.holds(&[&all[..200]]);
    // Copied, not truncated yet.
    site.write("audit.log.1", &text);
    site.holds(&[&all[..200]]);
    site.write("audit.log", "");
    site.holds(&[&all[..200]]);
    site.append("audit.log", joined(&all[200..220]));
    site.holds(&[&all[..220]]);
    site.write("audit.log.1.gz", gzip(&text));
    site.remove("audit.log.1");
    site.holds(&[&all[..220]]);
}

#[test]
fn copytruncate_between_two_runs_loses_nothing() {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..100]));
    site.holds(&[&all[..100]]);
    site.write("audit.log.1", joined(&all[..180]));
    // As long as before, or longer, and yet another one.
    site.write("audit.log", joined(&all[180..400]));
    site.holds(&[&all[..400]]);
    let report = site.holds(&[&all[..400]]);
    assert_eq!(report["input"]["files"], 2);
}

#[test]
fn the_copy_of_a_few_lines_does_not_count() {
    let (site, all) = (Site::new(), sample());
    let text = joined(&all[..3]);
    assert!(text.len() < 4096);
    let holds = || {
        let report = site.report(&[]);
        super::site::assert_holds(&report, &all[..3]);
    };
    site.write("audit.log", &text);
    holds();
    site.write("audit.log.1", joined(&all[..1]) + &all[1][..100]);
    holds();
    site.write("audit.log.1", &text);
    site.write("audit.log", "");
    holds();
}

#[test]
fn a_late_file_from_another_apiserver_counts() {
    let (site, all) = (Site::new(), sample());
    site.write("cp-1/audit.log", joined(&all[300..500]));
    site.holds(&[&all[300..500]]);
    site.write("cp-2/audit.log", joined(&all[..300]));
    let report = site.holds(&[&all[..500]]);
    assert_eq!(report["input"]["files"], 2);
    assert_eq!(
        report["input"]["first_event"],
        "2026-11-22T04:24:45.012802Z"
    );
}

#[test]
fn two_names_of_one_log_are_one_log() {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..100]));
    fs::hard_link(site.log("audit.log"), site.log("again.log")).unwrap();
    site.write("copy.log", joined(&all[..100]));
    site.holds(&[&all[..100]]);
    site.append("copy.log", joined(&all[100..130]));
    site.holds(&[&all[..130]]);
    site.append("audit.log", joined(&all[100..150]));
    site.holds(&[&all[..150]]);
}
