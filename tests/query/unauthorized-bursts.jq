requests | map(select(code == 401)) | group_by([minute, peer])
| map({minute: (.[0] | minute), peer: (.[0] | peer), requests: length, user_agents: distinct(agent),
    paths: distinct(path)})
| map(select(.requests >= 5)) | sort_by([-.requests, .minute, .peer])
