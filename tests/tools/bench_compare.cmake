# Lets `tweedie-bench --compare` (BENCH=path) judge made-up reports, which are written to FOLDER.
#   cmake -DBENCH=bin/tweedie-bench -DFOLDER=somewhere -P bench_compare.cmake
file(MAKE_DIRECTORY ${FOLDER})

# A report of rows "kernel;low;median;high": quartiles of milliseconds, around them extremes that must not matter.
function(write_report name)
  set(rows "")
  foreach(row IN LISTS ARGN)
    string(REPLACE "," ";" row "${row}")
    list(GET row 0 kernel)
    list(GET row 1 low)
    list(GET row 2 median)
    list(GET row 3 high)
    list(APPEND rows "{\"kernel\": \"${kernel}\", \"shape\": \"(1, 2, 3, 4)\", \"seconds\": ${median}e-3, \"seconds_min\": 1e-9, \"seconds_low\": ${low}e-3, \"seconds_high\": ${high}e-3, \"seconds_max\": 9.0}")
  endforeach()
  list(JOIN rows ", " rows)
  file(WRITE ${FOLDER}/${name}.json "{\"device\": \"a machine\", \"precision\": \"fp32\", \"rows\": [${rows}]}")
endfunction()

function(compare code_expected old new)
  execute_process(COMMAND ${BENCH} --compare ${FOLDER}/${old}.json ${FOLDER}/${new}.json
    RESULT_VARIABLE code OUTPUT_VARIABLE text ERROR_VARIABLE errors)
  if(NOT code EQUAL ${code_expected})
    message(FATAL_ERROR "${old} and ${new}: exit code ${code}, expected ${code_expected}: ${text}${errors}")
  endif()
  set(text "${text}" PARENT_SCOPE)
  set(errors "${errors}" PARENT_SCOPE)
endfunction()

function(expect)
  foreach(words IN LISTS ARGN)
    if(NOT text MATCHES "${words}" AND NOT errors MATCHES "${words}")
      message(FATAL_ERROR "expected '${words}' in: ${text}${errors}")
    endif()
  endforeach()
endfunction()

write_report(old "quick,1.0,1.1,1.2" "slow,10,11,12" "noisy,5,10,15" "steady,1.00,1.00,1.00" "left,1,1,1")
write_report(better "quick,0.7,0.8,0.9" "slow,10,11,12" "noisy,5,9,15" "steady,1.01,1.01,1.01" "added,1,1,1")
write_report(worse "quick,1.3,1.4,1.5" "slow,8,9,9.5" "noisy,12,14.9,15" "steady,1.00,1.00,1.00" "left,1,1,1")

compare(0 old old)
expect("same +quick" "same +noisy" "nothing got worse")
compare(0 old better)
# 1 % is not told apart, however little the repeats spread.
expect("better +quick" "same +slow" "same +noisy" "same +steady" "new +added" "gone +left" "nothing got worse")
compare(1 old worse)
# Halves that overlap say nothing, though the median is half as long again.
expect("worse +quick" "better +slow" "same +noisy" "same +steady" "1 got worse")

# Steps of a model, whose rows have no quartiles: their range counts.
foreach(which "step_old;1.0;1.1;1.3" "step_within;1.2;1.35;1.5" "step_worse;1.4;1.5;1.6")
  list(GET which 0 name)
  list(GET which 1 low)
  list(GET which 2 median)
  list(GET which 3 high)
  file(WRITE ${FOLDER}/${name}.json "{\"model\": \"ffhq256\", \"device\": \"a machine\", \"step_seconds\": ${median}, \"step_seconds_min\": ${low}, \"step_seconds_max\": ${high}}")
endforeach()
compare(0 step_old step_within)
expect("same +DPS step +ffhq256")
compare(1 step_old step_worse)
expect("worse +DPS step")

# What cannot be compared is refused: another machine, nothing in common, no report.
compare(2 old step_old)
expect("--compare: precision was")
write_report(other "another,1,1,1")
compare(2 old other)
expect("no row in common")
file(WRITE ${FOLDER}/broken.json "{\"device\": \"a machine\", \"precision\": \"fp32\", \"rows\": [{\"kernel\": \"quick\", \"seconds\": -1}]}")
compare(2 old broken)
expect("not a positive number")
file(WRITE ${FOLDER}/text.json "no json")
compare(2 old text)
expect("text.json")
compare(2 old missing)
expect("missing.json")
