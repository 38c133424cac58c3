mine | map(select(lists_secrets) | {time: when, account: account, verb, namespace: ref("namespace"), code: code,
  peer: peer, user_agent: agent, audit_id: .auditID})
| sort_by([.time, .account, .audit_id])
