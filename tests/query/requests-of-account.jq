mine | map(select(account == $account) | {time: when, verb, resource: ref("resource"), namespace: ref("namespace"),
  name: ref("name"), code: code, file: ._file, line: ._line})
| sort_by([.time, .file, .line])
