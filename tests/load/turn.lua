-- What one turn of wrk sends, what every answer must be, and, as a line of JSON, what came of it.
--
-- Words after `--` are name=value:
--   method, token         of each request
--   tokens, offset        a file with a token a line, each used once from that byte on; after the last the first
--   upload                a file: the body of each request
--   count                 answers after which the turn is over
--   status, body, never   what each answer must be: the status; a file that the body equals, or must not equal

local ffi = require("ffi")
ffi.cdef("int getpid(void); int kill(int pid, int signal);")
local SIGINT = 2
local threads = {}

local function contents(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function setup(thread)
  threads[#threads + 1] = thread
end

function init(words)
  local options = {}
  for _, word in ipairs(words) do
    local name, value = word:match("^(%l+)=(.*)$")
    options[name] = value
  end
  right, wrong, oddity = 0, 0, ""
  status_wanted = tonumber(options.status)
  body_wanted = options.body and contents(options.body)
  body_refused = options.never and contents(options.never)
  answers_wanted = tonumber(options.count) or math.huge
  wrk.method = options.method or "GET"
  if options.upload then
    wrk.body = contents(options.upload)
    wrk.headers["Content-Type"] = "application/json"
  end
  if options.token then
    wrk.headers["Authorization"] = "Bearer " .. options.token
  end
  if options.tokens then
    read_tokens(options.tokens, tonumber(options.offset) or 0)
  end
end

function read_tokens(path, offset)
  local file = assert(io.open(path, "rb"))
  file:seek("set", offset)
  wrk.headers["Authorization"] = "Bearer @"
  local before, after = wrk.format():match("^(.-Bearer )@(.*)$")
  function request()
    local token = file:read("*l")
    if not token then
      file:seek("set", 0)
      token = file:read("*l")
    end
    return before .. token .. after
  end
end

function response(status, headers, body)
  if status == status_wanted and (not body_wanted or body == body_wanted) and body ~= body_refused then
    right = right + 1
  else
    wrong = wrong + 1
    oddity = status .. " " .. body:sub(1, 200)
  end
  if right + wrong >= answers_wanted then
    -- wrk sleeps for its whole duration unless it is interrupted.
    wrk.thread:stop()
    ffi.C.kill(ffi.C.getpid(), SIGINT)
  end
end

function done(summary, latency, requests)
  local right, wrong, oddity = 0, 0, ""
  for _, thread in ipairs(threads) do
    right = right + thread:get("right")
    wrong = wrong + thread:get("wrong")
    oddity = oddity .. thread:get("oddity")
  end
  local errors = summary.errors
  io.write(string.format(
    '\nTURN {"right": %d, "wrong": %d, "failed": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "oddity": "%s"}\n',
    right, wrong, errors.connect + errors.read + errors.write + errors.timeout, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, (oddity:gsub('[^%w %p]', ' '):gsub('["\\]', "'"))
  ))
end
