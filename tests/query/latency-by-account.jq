def latency: (.stageTimestamp | us) - (.requestReceivedTimestamp | us);
mine
| map(select(.verb != "watch" and .verb != "proxy"
    and (ref("subresource") as $s | ["exec", "attach", "portforward", "proxy", "log"] | index($s) | not)))
| group_by(account)
| map({account: (.[0] | account), requests: length, mean_us: (map(latency) | add / length),
    longest_us: (map(latency) | max), over_100_ms: (map(select(latency > 100000)) | length),
    over_1_s: (map(select(latency > 1000000)) | length)})
| sort_by([-.longest_us, .account])
