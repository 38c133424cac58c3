requests | group_by(minute)
| map(group_by(user) | map({minute: (.[0] | minute), username: (.[0] | user), requests: length})
    | sort_by([-.requests, .username]) | .[0:3] | to_entries
    | map({minute: .value.minute, place: (.key + 1), username: .value.username, requests: .value.requests}))
| add
