mine
| map({what: "account", account: account, seen: "", t: when},
      (select(ref("resource") != "") | {what: "verb", account: account, seen: "\(.verb) \(ref("resource"))", t: when}),
      (select(peer != "") | {what: "address", account: account, seen: peer, t: when}))
| group_by([.what, .account, .seen])
| map({what: .[0].what, account: .[0].account, seen: .[0].seen, first_seen: (map(.t) | min), requests: length})
| map(select(.first_seen >= $since))
| sort_by([.first_seen, .what, .account, .seen])
