# Requests by what `satrail top` makes rows of, asked of jq: run with -n -c over plain audit lines. A request counts
# once, at its best stage.
def path: .requestURI | split("?")[0];
def account: .user.username // "" | if startswith("system:serviceaccount:") then ltrimstr("system:serviceaccount:") | sub(":"; "/") else null end;
def resource: if (.objectRef.resource // "") == "" then path else .objectRef.resource
  + (if (.objectRef.subresource // "") != "" then "/" + .objectRef.subresource else "" end)
  + (if (.objectRef.apiGroup // "") != "" then "." + .objectRef.apiGroup else "" end) end;
# As long as satrail keeps them.
def cut: if utf8bytelength > 512 then .[:512] + "…" else . end;
def row: {
  key: ([.auditID, .requestReceivedTimestamp, .verb, .requestURI] | tojson), stage: .stage,
  account: account, user: (.user.username // ""), namespace: (.objectRef.namespace // ""), resource: (resource | cut),
  verb: .verb, agent: (.userAgent // "" | cut), address: (.sourceIPs // [] | last), code: (.responseStatus.code | if . then tostring else null end),
  second: (.requestReceivedTimestamp | sub("\\..*"; "Z") | fromdate),
  denied: (.responseStatus.code == 401 or .responseStatus.code == 403
    or ((.responseStatus.code // 0) >= 400 and .annotations["authorization.k8s.io/decision"] == "forbid"))
};
def best: map(.second) as $s | [$s | unique[] as $start | [$s[] | select(. >= $start and . < $start + 60)] | length] | max;
[inputs | row] as $rows
| ($rows | map(select(.stage == "ResponseComplete" or .stage == "Panic"))) as $closing
| ($closing | map({key, value: true}) | from_entries) as $closed
| ($rows | map(select(.stage == "ResponseStarted" and .user == ""))) as $unauthenticated
| ($rows | map(select(.stage == "ResponseStarted" and .user != "" and ($closed[.key] | not))) | unique_by(.key)) as $open
| ($closing + $unauthenticated + $open) as $requests
| def tally(f): map(select(f | all(. != null))) | group_by(f)
    | map({values: (.[0] | f), requests: length, denied: (map(select(.denied)) | length)});
{
  requests: ($requests | length),
  account: ($requests | tally([.account])),
  user: ($requests | tally([.user])),
  namespace: ($requests | tally([.namespace])),
  resource: ($requests | tally([.resource])),
  verb: ($requests | tally([.verb])),
  agent: ($requests | tally([.agent])),
  address: ($requests | tally([.address])),
  code: ($requests | tally([.code])),
  "account,verb,resource": ($requests | tally([.account, .verb, .resource])),
  filtered: ($requests | map(select((.namespace != "kube-system") and ((.user | startswith("system:node:")) | not) and (.code // "" | startswith("4")))) | tally([.user, .code])),
  peaks: ($requests | map(select(.account | . == "ops/hot-loop" or . == "shop/web")) | group_by(.account) | map({values: [.[0].account], peak: best}))
}
