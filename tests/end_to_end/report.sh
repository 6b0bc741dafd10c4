#!/usr/bin/env bash
# The report of bundled.yaml in a real browser, headless Chromium: every solver of tweedie-restore is in it, no picture
# is broken, and the numbers are those of table.json. report.sh BIN DATA DEVICE
# One of the three photographs is restored here; a table for readers has all of them. Exit code 77: no browser.
source "$(dirname "$0")/common.sh"

tables=$(cd "$(dirname "$0")/../../tools/tables" && pwd)
cd "$work"
# Every method that tweedie-restore lists, but what wants priors that do not ship.
"$bin/tweedie-restore" --help | sed -n '/^Methods/,/^\(Samplers\|Usage\)/s/^  \([a-z+-]*\) .*/\1/p' >methods
"$bin/tweedie-restore" --help | sed -n '/^Methods for blind/,/^Usage/s/^  \([a-z+-]*\) .*/\1/p' >>methods
[ "$(wc -l <methods)" -gt 20 ] || fail "the methods were not found in --help"
while read -r method; do
  [ "$method" = blind-dps ] || grep -qF "method: $method," "$tables/bundled.yaml" || fail "$method is not in bundled.yaml"
done <methods

browser=
for name in chromium chromium-browser google-chrome; do
  if "$name" --version >/dev/null 2>&1; then browser=$name && break; fi
done
if [ -z "$browser" ]; then
  echo "SKIPPED: no Chromium here (on Debian, tools/setup.sh --tests installs it): the report was not looked at"
  exit 77
fi

sed 's/ids: \[astronaut, camera_gray, coffee\]/ids: [coffee]/' "$tables/bundled.yaml" >bundled.yaml
cmp -s bundled.yaml "$tables/bundled.yaml" && fail "bundled.yaml names other photographs"
"$bin/tweedie-table" bundled.yaml --images "$data/images" --device "$device" --quiet -o out >printed 2>complaints || fail "$(tail -n 3 complaints)"
[ -s out/report.html ] || fail "no report"

# What is looked at in the page once it is loaded; the verdict is left in it as text.
cat >inspect.js <<'EOF'
addEventListener('load', () => {
  const wrong = [], images = [...document.images];
  for (const image of images)
    if (!(image.complete && image.naturalWidth > 0)) wrong.push('broken picture ' + image.getAttribute('src'));
  if (images.length < 60) wrong.push(images.length + ' pictures');
  let numbers = 0;
  const agree = (cell, value, what) => {
    const shown = cell && cell.firstChild ? cell.firstChild.textContent : 'nothing';
    const digits = (shown.split('.')[1] || '').length;
    if (!/^-?[0-9.]+$/.test(shown) || Math.abs(Number(shown) - value) > 0.5001 * 10 ** -digits)
      wrong.push(what + ': shows ' + shown + ', expected ' + value);
    ++numbers;
  };
  const rows = [...document.querySelectorAll('tr[data-task]')];
  if (rows.length !== expected.entries.length) wrong.push(rows.length + ' rows, expected ' + expected.entries.length);
  expected.entries.forEach((entry, k) => {
    const row = rows[k], name = entry.task + ' / ' + entry.method;
    if (!row || row.dataset.task !== entry.task || row.dataset.method !== entry.method)
      return wrong.push('row ' + k + ' is not ' + name);
    for (const [metric, figure] of Object.entries(entry.metrics)) {
      const cell = row.querySelector(`td[data-metric="${metric}"]`);
      agree(cell, figure.mean, name + ', ' + metric);
      if (cell && getComputedStyle(cell).display !== 'table-cell') wrong.push(name + ' is not to be seen');
    }
  });
  const verdict = document.createElement('pre');
  verdict.id = 'verdict';
  verdict.textContent = 'VERDICT ' + images.length + ' pictures, ' + numbers + ' numbers, ' + wrong.length + ' wrong\n' + wrong.join('\n');
  document.body.append(verdict);
});
EOF
# look REPORT: the verdict on this page of the folder out.
look() {
  { printf '<script>const expected = '; cat out/table.json; printf ';\n'; cat inspect.js; printf '</script>\n'; cat "$1"; } >out/looked.html
  "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$work/chromium" --virtual-time-budget=20000 \
    --allow-file-access-from-files --dump-dom "file://$work/out/looked.html" 2>said | sed -n '/<pre id="verdict">/,/<\/pre>/p'
}
look out/report.html >verdict
grep -q 'VERDICT [0-9]* pictures, [0-9]* numbers, 0 wrong' verdict || fail "the report in $browser: $(cat verdict; tail -n 3 said)"
grep -o "VERDICT [0-9].*" verdict

# It can be wrong: a picture that is not there, a picture that is none, a number that is another.
picture=$(grep -o 'src="[^"]*/wiener/[^"]*restored.png"' out/report.html | head -n 1)
sed "s|$picture|src=\"cells/nowhere.png\"|" out/report.html >broken.html
look broken.html | grep -q 'broken picture cells/nowhere.png' || fail "a missing picture was not seen"
file=$(echo "$picture" | sed 's/src="//; s/"$//')
cp "out/$file" saved.png
head -c 40 saved.png >"out/$file"
look out/report.html | grep -q "broken picture $file" || fail "a picture that was cut off was not seen"
cp saved.png "out/$file"
sed '0,/data-metric="psnr">[0-9]*\./s//data-metric="psnr">77./' out/report.html >other.html
cmp -s other.html out/report.html && fail "no number was found to be changed"
look other.html | grep -q 'psnr: shows 77' || fail "a number that is another was not seen"
