(map(select(.auditID == $audit_id) | when | us) | min) as $given
| requests
| map(((when | us) - $given) as $offset | select(($offset | fabs) <= ($seconds | tonumber) * 1000000)
  | {time: when, offset_us: $offset, username: user, verb, path: path, code: code, peer: peer, audit_id: .auditID,
     file: ._file, line: ._line})
| sort_by([.time, .file, .line])
