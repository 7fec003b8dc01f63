"""What is measured: each contender as a process on a port of its own, pinned to one core, configured as it is shipped."""

import base64, hashlib, hmac, http.client, json, os, pathlib, re, shutil, signal, socket, subprocess, time

SECRET = "a-secret-of-thirty-two-bytes-or-more-for-this-bench"
PASSWORD = "a password for this bench alone"
MODEL, PRICED = "gpt-4o-mini", "openai-chat"
GATEWAY_CORE, LOAD_CORE = "0", "1"
QUESTION = json.dumps({
    "model": MODEL, "max_tokens": 16, "messages": [{"role": "user", "content": "How long is a piece of string?"}],
})
ANSWER = json.dumps({
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Twice half."}}],
    "usage": {"prompt_tokens": 14, "completion_tokens": 4, "total_tokens": 18},
})


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def token():
    """A JWT of HS256 that HAProxy and Envoy verify at every call."""
    encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
    claims = {"iss": "bench", "sub": "ada", "aud": "bench", "exp": int(time.time()) + 86_400}
    signed = b".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return (signed + b"." + encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())).decode()


class Contender:
    """A process that serves; `path` and `headers` are what wrk asks it with."""

    name = "?"

    def __init__(self, scratch, upstream, core=GATEWAY_CORE):
        self.folder = pathlib.Path(scratch, self.name)
        self.folder.mkdir()
        self.core, self.upstream, self.port = core, upstream, free_port()
        self.headers = {}
        self.process = None

    def start(self, *command, env=None):
        out = open(self.folder / "out", "wb")
        self.process = subprocess.Popen(
            ["taskset", "-c", self.core, *map(str, command)], cwd=self.folder, stdout=out, stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})}, start_new_session=True,
        )
        self.wait_until_it_listens()
        return self

    def wait_until_it_listens(self):
        for _ in range(600):
            if self.process.poll() is not None:
                raise SystemExit(f"bench/run: {self.name} ended:\n{(self.folder / 'out').read_text()[-2000:]}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise SystemExit(f"bench/run: {self.name} does not listen on port {self.port}")

    def processes(self):
        """The process and all below it."""
        found, before = {self.process.pid}, 0
        while len(found) > before:
            before = len(found)
            for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
                try:
                    fields = stat.read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(fields[1]) in found:
                    found.add(int(stat.parent.name))
        return found

    def cpu_s(self):
        """Processor time so far, user and system, in seconds."""
        ticks = 0
        for pid in self.processes():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mib(self):
        total = 0
        for pid in self.processes():
            found = re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
            total += int(found[1]) if found else 0
        return total / 1024

    def stop(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


class Upstream(Contender):
    """nginx that answers 1 KiB to a GET and a chat completion to a POST from memory."""

    name = "direct"

    def __init__(self, scratch):
        super().__init__(scratch, None, LOAD_CORE)
        (self.folder / "nginx.conf").write_text(f"""
worker_processes 1; daemon off; pid {self.folder}/pid; error_log {self.folder}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 600; client_body_temp_path {self.folder};
  proxy_temp_path {self.folder}; fastcgi_temp_path {self.folder}; uwsgi_temp_path {self.folder}; scgi_temp_path {self.folder};
  server {{ listen 127.0.0.1:{self.port};
    location /plain {{ default_type text/plain; return 200 "{'x' * 1024}"; }}
    location / {{ default_type application/json; return 200 '{ANSWER}'; }} }} }}""")
        self.start("nginx", "-c", self.folder / "nginx.conf", "-e", self.folder / "error.log")


class Forwarder(Contender):
    """actix-web and hyper-util with nothing between: what forwarding costs at least."""

    name = "forwarder"

    def __init__(self, scratch, upstream, program):
        super().__init__(scratch, upstream)
        self.start(program, f"127.0.0.1:{upstream.port}", self.port)


class Nginx(Contender):
    """Limit and access log, without a token."""

    name = "nginx"

    def __init__(self, scratch, upstream):
        super().__init__(scratch, upstream)
        (self.folder / "nginx.conf").write_text(f"""
worker_processes 1; daemon off; pid {self.folder}/pid; error_log {self.folder}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log {self.folder}/access.log; keepalive_requests 1000000000; client_body_temp_path {self.folder};
  proxy_temp_path {self.folder}; fastcgi_temp_path {self.folder}; uwsgi_temp_path {self.folder}; scgi_temp_path {self.folder};
  limit_req_zone $binary_remote_addr zone=all:10m rate=1000000r/s;
  upstream behind {{ server 127.0.0.1:{upstream.port}; keepalive 64; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{self.port}; limit_req zone=all burst=100000 nodelay;
    location / {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }} }} }}""")
        self.start("nginx", "-c", self.folder / "nginx.conf", "-e", self.folder / "error.log")


class HAProxy(Contender):
    """JWT, a limit by its subject, and a log line a call."""

    name = "haproxy"

    def __init__(self, scratch, upstream):
        super().__init__(scratch, upstream)
        self.headers = {"authorization": f"Bearer {token()}"}
        (self.folder / "haproxy.cfg").write_text(f"""
global
  nbthread 1
  log stdout len 4096 format raw local0
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend in
  bind 127.0.0.1:{self.port}
  stick-table type string len 64 size 100k expire 1m store http_req_rate(1s)
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request set-var(txn.sub) var(txn.bearer),jwt_payload_query('$.sub')
  http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
  http-request deny deny_status 401 unless {{ var(txn.alg) -m str HS256 }}
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.alg,"{SECRET}") 1 }}
  http-request track-sc0 var(txn.sub)
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 1000000 }}
  default_backend out
backend out
  http-reuse always
  server one 127.0.0.1:{upstream.port}
""")
        self.start("haproxy", "-f", self.folder / "haproxy.cfg")


class Envoy(Contender):
    """jwt_authn, local_ratelimit and an access log."""

    name = "envoy"

    def __init__(self, scratch, upstream, program):
        super().__init__(scratch, upstream)
        self.headers = {"authorization": f"Bearer {token()}"}
        key = base64.urlsafe_b64encode(SECRET.encode()).rstrip(b"=").decode()
        jwks = json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "k": key}]})
        kind = "type.googleapis.com/envoy.extensions"
        filters = [
            {"name": "jwt", "typed_config": {
                "@type": f"{kind}.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": {"bench": {"issuer": "bench", "audiences": ["bench"], "local_jwks": {"inline_string": jwks}}},
                "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "bench"}}]}},
            {"name": "limit", "typed_config": {
                "@type": f"{kind}.filters.http.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "limit",
                "token_bucket": {"max_tokens": 1000000, "tokens_per_fill": 1000000, "fill_interval": "0.1s"},
                "filter_enabled": {"default_value": {"numerator": 100}},
                "filter_enforced": {"default_value": {"numerator": 100}}}},
            {"name": "router", "typed_config": {"@type": f"{kind}.filters.http.router.v3.Router"}},
        ]
        manager = {
            "@type": f"{kind}.filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "in",
            "access_log": [{"name": "file", "typed_config": {
                "@type": f"{kind}.access_loggers.file.v3.FileAccessLog", "path": str(self.folder / "access.log")}}],
            "http_filters": filters,
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "route": {"cluster": "out"}}]}]},
        }
        at = lambda port: {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        (self.folder / "envoy.json").write_text(json.dumps({"static_resources": {
            "listeners": [{"address": at(self.port), "filter_chains": [{"filters": [
                {"name": "http", "typed_config": manager}]}]}],
            "clusters": [{"name": "out", "type": "STATIC", "load_assignment": {"cluster_name": "out", "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": at(upstream.port)}}]}]}}]}}))
        self.start(program, "-c", self.folder / "envoy.json", "--concurrency", 1, "--use-dynamic-base-id", "-l", "error")


class Rolter(Contender):
    """A native AI gateway: key, price, usage; no budget."""

    name = "rolter"

    def __init__(self, scratch, upstream, program):
        super().__init__(scratch, upstream)
        self.headers = {"authorization": "Bearer sk-bench"}
        (self.folder / "rolter.toml").write_text(f"""
[server]
host = "127.0.0.1"
port = {self.port}
[[providers]]
name = "real"
kind = "openai_compatible"
api_base = "http://127.0.0.1:{upstream.port}"
[[routes]]
model = "{MODEL}"
strategy = "round_robin"
[[routes.targets]]
provider = "real"
model = "{MODEL}"
[[virtual_keys]]
key = "sk-bench"
""")
        self.start(program, "gateway", "-c", "rolter.toml", env={"TOKIO_WORKER_THREADS": "1"})


class Tollgate(Contender):
    """As shipped, on SQLite, with six limits; `route` names the route that is called."""

    name = "tollgate"

    def __init__(self, scratch, upstream, program):
        super().__init__(scratch, upstream)
        ops = free_port()
        text = f'[server]\nport = {self.port}\n[ops]\nport = {ops}\n'
        text += "[edge]\nrequests_per_s = 1000000000\nburst = 1000000000\n"
        text += f'[[upstreams]]\nname = "real"\nurl = "http://127.0.0.1:{upstream.port}"\n'
        for path, audit in (("plain", "committed"), ("plain-buffered", "buffered")):
            text += f'[[routes]]\nname = "{path}"\npath = "/{path}"\nmatch = "exact"\nmethods = ["GET"]\nroles = ["admin"]\n'
            text += f'upstream = "real"\naudit = "{audit}"\n'
        text += '[[routes]]\nname = "chat"\npath = "/v1/chat/completions"\nmatch = "exact"\nmethods = ["POST"]\n'
        text += f'roles = ["admin"]\nupstream = "real"\nmeter = "{PRICED}"\n'
        for number, (per, window_s) in enumerate((("global", 1), ("address", 1), ("user", 1), ("user", 60), ("user", 3600))):
            text += f'[[limits]]\nname = "wide-{number}"\nroutes = ["*"]\nper = "{per}"\nunit = "requests"\n'
            text += f"limit = 1000000000\nwindow_s = {window_s}\n"
        text += '[[limits]]\nname = "at-once"\nroutes = ["*"]\nper = "user"\nunit = "concurrent"\nlimit = 1000000\n'
        text += '[[budgets]]\nname = "wide"\nscope = "user"\nlimit_usd = "8000000"\nperiod = "month"\n'
        (self.folder / "tollgate.toml").write_text(text)
        settings = {"TOLLGATE__SERVER__WORKERS": "1", "TOLLGATE_ADMIN_PASSWORD": PASSWORD}
        self.start(program, "--config", "tollgate.toml", env=settings)
        self.renew()

    def renew(self):
        """Logs in: an access token ends after a quarter of an hour."""
        self.headers = {"authorization": f"Bearer {self.login()}"}

    def login(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        body = json.dumps({"username": "admin", "password": PASSWORD})
        connection.request("POST", "/auth/login", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise SystemExit(f"bench/run: the login was answered {answer.status}: {said.decode()}")
        return json.loads(said)["access_token"]


def version(command):
    """The first line that a program says of its version; `?` if it says none."""
    said = subprocess.run(command, capture_output=True, text=True)
    return ((said.stdout or said.stderr).strip().splitlines() or ["?"])[0]


def installed(name):
    return shutil.which(name) is not None
