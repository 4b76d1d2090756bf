-- One turn of wrk: send requests, check every response, and print the result as a line of JSON.
--
-- Arguments after `--` are name=value:
--   method, token         method and bearer token of each request
--   tokens, offset        a file with one token per line, read from this byte on; after the last line the first follows
--   upload                a file with the body of each request
--   requests              a file of whole requests, each followed by a zero byte; after the last one the first follows
--   pause                 the mean pause between a response and the next request on its connection, in milliseconds
--   count                 the number of responses after which the turn ends
--   status, body, never   the expected status; a file that each body must equal; a file that no body may equal.
--                         With several `body`, each response must have one of them

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

function init(arguments)
  local options = {}
  bodies_expected = nil
  for _, argument in ipairs(arguments) do
    local name, value = argument:match("^(%l+)=(.*)$")
    options[name] = value
    if name == "body" then
      bodies_expected = bodies_expected or {}
      bodies_expected[contents(value)] = true
    end
  end
  right, wrong, problem = 0, 0, ""
  status_expected = tonumber(options.status)
  body_forbidden = options.never and contents(options.never)
  responses_expected = tonumber(options.count) or math.huge
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
  if options.requests then
    read_requests(options.requests)
  end
  if options.pause then
    pause_between_requests(tonumber(options.pause))
  end
  cpu_before = os.clock()
end

function pause_between_requests(mean)
  math.randomseed(1)
  -- Exponentially distributed, so that the connections do not send in step.
  function delay()
    return math.floor(-mean * math.log(1 - math.random()) + 0.5)
  end
end

function read_requests(path)
  local text, requests, start = contents(path), {}, 1
  while start <= #text do
    local stop = text:find("\0", start, true)
    requests[#requests + 1] = text:sub(start, stop - 1)
    start = stop + 1
  end
  local number, count = 0, #requests
  function request()
    number = number % count + 1
    return requests[number]
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
  if status == status_expected and (not bodies_expected or bodies_expected[body]) and body ~= body_forbidden then
    right = right + 1
  else
    wrong = wrong + 1
    problem = status .. " " .. body:sub(1, 200)
  end
  if right + wrong >= responses_expected then
    -- wrk sleeps for its whole duration unless it is interrupted.
    wrk.thread:stop()
    ffi.C.kill(ffi.C.getpid(), SIGINT)
  end
end

function done(summary, latency, requests)
  -- The CPU time of this process since the turn began, without reading files.
  local cpu = os.clock() - threads[1]:get("cpu_before")
  local right, wrong, problem = 0, 0, ""
  for _, thread in ipairs(threads) do
    right = right + thread:get("right")
    wrong = wrong + thread:get("wrong")
    problem = problem .. thread:get("problem")
  end
  local errors = summary.errors
  io.write(string.format(
    '\nTURN {"right": %d, "wrong": %d, "failed": %d, "seconds": %.6f, "cpu": %.0f, "p50": %.3f, "p99": %.3f, '
      .. '"problem": "%s"}\n',
    right, wrong, errors.connect + errors.read + errors.write + errors.timeout, summary.duration / 1e6, cpu * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, (problem:gsub('[^%w %p]', ' '):gsub('["\\]', "'"))
  ))
end
