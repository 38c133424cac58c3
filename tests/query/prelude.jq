# What the queries are held against: the same questions, asked of the log itself. Each line has _file and _line
# before its own members; -s makes them one array. A request counts once, at its best stage.
def rank: {"RequestReceived": 0, "ResponseStarted": 1, "ResponseComplete": 2, "Panic": 3}[.stage];
def requests: group_by([.auditID, .requestReceivedTimestamp, .verb, .requestURI]) | map(max_by(rank))
  | map(select(.stage != "RequestReceived"));
def us: if . == null then null else (.[0:19] + "Z" | fromdate) * 1000000 + (.[20:26] | tonumber) end;
def when: .requestReceivedTimestamp // .stageTimestamp;
def minute: when[0:17] + "00.000000Z";
def user: .user.username // "";
def acting: if .impersonatedUser then .impersonatedUser.username else user end;
def account: user | if test("^system:serviceaccount:[a-z0-9-]+:[a-z0-9.-]+$")
  then split(":") | "\(.[2])/\(.[3])" else "" end;
def mine: requests | map(select(account != ""));
def note($key): (.annotations // {})[$key] // "";
def extra($key): ((.user.extra // {})["authentication.kubernetes.io/" + $key] // [])[0] // "";
def peer: (.sourceIPs // [])[-1] // "";
def agent: .userAgent // "";
def ref($key): (.objectRef // {})[$key] // "";
def path: .requestURI | split("?")[0];
def code: .responseStatus.code;
def forbidden: note("authorization.k8s.io/decision") == "forbid";
def refused: code == 401 or code == 403 or ((code == null or code >= 400) and forbidden);
def distinct(f): map(f) | unique | length;
def lists_secrets: ref("resource") == "secrets" and ref("apiGroup") == "" and ref("subresource") == ""
  and (.verb == "list" or .verb == "watch");
