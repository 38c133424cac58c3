mine | group_by([account, agent])
| map({account: (.[0] | account), user_agent: (.[0] | agent), requests: length, addresses: distinct(peer),
    first_seen: (map(when) | min), last_seen: (map(when) | max)})
| sort_by([.account, -.requests, .user_agent])
