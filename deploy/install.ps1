<#
Installs zai2api on Windows from a folder of releases, or removes it again. For Windows PowerShell 5.1 and PowerShell 7.

    irm BASE/install.ps1 | iex
    powershell -ExecutionPolicy Bypass -File install.ps1 [-From BASE] [-Version X.Y.Z] [-Dir DIR]
        [-RequireSignature] [-Uninstall]

BASE is an address, or a folder of this machine. -Version takes an older release, too. -RequireSignature installs nothing
whose signature cannot be checked here. ZAI2API_RELEASES, ZAI2API_VERSION and ZAI2API_DIR in the environment stand for
the first three, and ZAI2API_REQUIRE_SIGNATURE=1 for the fourth.
The checksum is always compared. The signature of the list of checksums is, too, where minisign or OpenSSL 3 is there;
Git for Windows brings one.
#>
param(
    [string]$From = $env:ZAI2API_RELEASES,
    [string]$Version = $env:ZAI2API_VERSION,
    [string]$Dir = $env:ZAI2API_DIR,
    [switch]$RequireSignature = ($env:ZAI2API_REQUIRE_SIGNATURE -eq '1'),
    [switch]$Uninstall
)

# A function, because `iex` would leave the settings below in the user's session. `exit` would close its window.
function Install-Zai2api {
    param([string]$From, [string]$Version, [string]$Dir, [switch]$RequireSignature, [switch]$Uninstall)

    Set-StrictMode -Version 2.0
    $ErrorActionPreference = 'Stop'
    # Windows PowerShell downloads many times slower while it draws its bar.
    $ProgressPreference = 'SilentlyContinue'

    # Filled in by `make release`.
    $releases = ''
    $publicKey = ''
    if ($env:ZAI2API_RELEASE_KEY) { $publicKey = $env:ZAI2API_RELEASE_KEY }
    if (-not $From) { $From = $releases }

    if ($env:OS -ne 'Windows_NT') { throw 'install: on Linux and macOS run install.sh' }
    if (-not $Dir) { $Dir = Join-Path $env:LOCALAPPDATA 'Programs\zai2api' }
    $Dir = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Dir)
    $executable = Join-Path $Dir 'zai2api.exe'

    if ($Uninstall) {
        if (-not (Test-Path -LiteralPath $executable)) {
            throw "install: there is no zai2api.exe in $Dir; -Dir names another folder"
        }
        # A task of an executable elsewhere is none of ours. Its text is XML.
        $task = Get-Output schtasks.exe @('/Query', '/TN', 'zai2api', '/XML')
        if ($task.Contains($executable) -or $task.Contains([Security.SecurityElement]::Escape($executable))) {
            throw "install: a service runs it (the task zai2api); first: $executable service uninstall"
        }
        Remove-Leftovers $executable
        Remove-Item -LiteralPath (Move-Away $executable) -Force -ErrorAction SilentlyContinue
        if (-not (Get-ChildItem -LiteralPath $Dir -Force)) { Remove-Item -LiteralPath $Dir }
        Set-UserPath -Remove $Dir
        Write-Output "Removed $executable. Settings stay in $env:APPDATA\zai2api, data in $env:LOCALAPPDATA\zai2api."
        return
    }

    if (-not $From) { throw 'install: where are the releases? -From names the address or the folder' }
    $From = $From.TrimEnd('/')
    if (Test-Path -LiteralPath $executable -PathType Container) {
        throw "install: $executable is a folder; -Dir names another place"
    }
    # GitHub has each release in a folder of its own.
    if ($Version) { $From = $From -replace '/latest/download$', "/download/v$Version" }

    # Windows PowerShell 5.1 may offer old versions of TLS alone.
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor
        [Net.SecurityProtocolType]::Tls12

    # The machine's own architecture: a process that runs emulated sees another one in its environment.
    $machine = Get-ItemProperty 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
    switch ($machine.PROCESSOR_ARCHITECTURE) {
        'AMD64' { $arch = 'x64' }
        'ARM64' { $arch = 'arm64' }
        default { throw "install: there is no archive for $($machine.PROCESSOR_ARCHITECTURE)" }
    }

    $fresh = ''
    $work = Join-Path ([IO.Path]::GetTempPath()) ('zai2api-' + [Guid]::NewGuid().ToString('N'))
    New-Item -ItemType Directory -Path $work | Out-Null
    try {
        $list = Join-Path $work 'SHA256SUMS'
        Get-ReleaseFile "$From/SHA256SUMS" $list "$From/SHA256SUMS cannot be read"
        if ($publicKey) {
            Get-ReleaseFile "$From/SHA256SUMS.minisig" "$list.minisig" 'the release is not signed'
            $signed = Test-Signature $list $publicKey $work
            if ($signed -eq 'no') { throw 'install: the signature is not one by the key of zai2api' }
            if ($signed -eq 'unknown' -and $RequireSignature) {
                throw 'install: neither minisign nor OpenSSL 3 is here to check the signature; nothing was installed'
            }
            if ($signed -eq 'unknown') {
                Write-Output 'Neither minisign nor OpenSSL 3 is here: the signature is not checked, the checksum is.'
            }
        } elseif ($RequireSignature) {
            throw 'install: this script holds no key to check the signature with; nothing was installed'
        } else {
            Write-Output 'This script holds no key: the signature is not checked, the checksum is.'
        }

        $archive = ''
        foreach ($line in [IO.File]::ReadAllLines($list)) {
            if ($line -cmatch "^([0-9a-f]{64})  (zai2api-([0-9.]+)-windows-$arch)\.zip$") {
                $expected = $Matches[1]
                $folder = $Matches[2]
                $archive = "$folder.zip"
                $found = $Matches[3]
            }
        }
        if (-not $archive) { throw "install: the release has no archive for windows-$arch" }
        if ($Version -and $found -ne $Version) { throw "install: the release is $found and not $Version" }
        $before = ''
        if (Test-Path -LiteralPath $executable) { $before = (Get-Version $executable) -replace '^zai2api ', '' }
        if ($before -notmatch '^\d{1,9}\.\d{1,9}\.\d{1,9}$') { $before = '' }
        if ($before -and -not $Version -and [version]$before -gt [version]$found) {
            throw "install: $executable is $before already, and the release is $found; -Version $found takes it all the same"
        }
        Write-Output "Downloading $archive ..."
        $zip = Join-Path $work $archive
        Get-ReleaseFile "$From/$archive" $zip "$From/$archive cannot be read"
        if ((Get-FileHash -LiteralPath $zip -Algorithm SHA256).Hash -ne $expected) {
            throw "install: $archive is not the file of the list; nothing was installed"
        }

        Expand-Archive -LiteralPath $zip -DestinationPath $work
        New-Item -ItemType Directory -Path $Dir -Force | Out-Null
        Remove-Leftovers $executable
        # Beside the old one, so that it takes its place by its name alone, whatever disk the temporary folder is on.
        $fresh = Join-Path $Dir ('.zai2api.exe.' + (New-Name) + '.new.exe')
        Copy-Item -LiteralPath (Join-Path $work "$folder\zai2api.exe") -Destination $fresh
        $said = Get-Version $fresh
        if (-not $said) { throw 'install: the executable does not run here; nothing was installed' }
        if ($said -ne "zai2api $found") {
            throw "install: the executable does not say that it is $found; nothing was installed"
        }
        Set-Executable $fresh $executable
    } finally {
        Remove-Item -LiteralPath $work -Recurse -Force -ErrorAction SilentlyContinue
        if ($fresh) { Remove-Item -LiteralPath $fresh -Force -ErrorAction SilentlyContinue }
    }

    Set-UserPath -Add $Dir
    $place = ''
    if ($before) { $place = ", in place of $before" }
    Write-Output "Installed $said as $executable$place."
    Write-Output "$Dir is on your PATH; terminals that are open already learn of it when they are opened anew."
    Write-Output 'Next: zai2api setup     asks for your key and your client'
    Write-Output '      zai2api demo      a scripted model, without network and account'
}

function Get-ReleaseFile([string]$Url, [string]$Path, [string]$Complaint) {
    try {
        if ($Url -match '^https?://') { Invoke-WebRequest -UseBasicParsing -TimeoutSec 30 -Uri $Url -OutFile $Path }
        else { Copy-Item -LiteralPath $Url -Destination $Path }
    } catch { throw "install: $Complaint" }
}

function New-Name { return [Guid]::NewGuid().ToString('N').Substring(0, 12) }

# Windows lets an executable that runs be renamed, and not be removed: then the next call removes it. Gives its new path.
function Move-Away([string]$Path) {
    $old = "$Path." + (New-Name) + '.old'
    Move-Item -LiteralPath $Path -Destination $old
    return $old
}

# The old executable comes back if the new one cannot take its place.
function Set-Executable([string]$Fresh, [string]$Path) {
    if (-not (Test-Path -LiteralPath $Path)) { Move-Item -LiteralPath $Fresh -Destination $Path; return }
    $old = Move-Away $Path
    try { Move-Item -LiteralPath $Fresh -Destination $Path }
    catch {
        Move-Item -LiteralPath $old -Destination $Path
        throw
    }
    Remove-Item -LiteralPath $old -Force -ErrorAction SilentlyContinue
}

# What an earlier call could not remove, or left when it was ended. The names are those of `zai2api update`, too.
function Remove-Leftovers([string]$Path) {
    $folder = [IO.Path]::GetDirectoryName($Path)
    Get-ChildItem -LiteralPath $folder -Force |
        Where-Object { $_.Name -match '^(\.zai2api\.exe\.[0-9a-f]{12}\.new(\.exe)?|zai2api\.exe\.[0-9a-f]{12}\.old)$' } |
        ForEach-Object { Remove-Item -LiteralPath $_.FullName -Force -ErrorAction SilentlyContinue }
}

# What `zai2api version` prints; nothing if it fails, prints more than that, or is not done within 15 seconds.
function Get-Version([string]$Path) {
    $start = New-Object Diagnostics.ProcessStartInfo -ArgumentList $Path, 'version'
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardOutput = $true
    try { $process = [Diagnostics.Process]::Start($start) } catch { return '' }
    try {
        $text = New-Object char[] 1000
        $reading = $process.StandardOutput.ReadBlockAsync($text, 0, $text.Length)
        if (-not $reading.Wait(15000) -or $reading.Result -eq $text.Length) { return '' }
        if (-not $process.WaitForExit(15000) -or $process.ExitCode -ne 0) { return '' }
        return (New-Object string -ArgumentList $text, 0, $reading.Result).Trim()
    } finally {
        if (-not $process.HasExited) { $process.Kill(); $process.WaitForExit() }
    }
}

# 'yes' or 'no'; 'unknown' where no program is here that can check it.
function Test-Signature([string]$List, [string]$PublicKey, [string]$Work) {
    $minisign = Get-Command minisign -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
    if ($minisign) {
        if ((Get-ExitCode $minisign.Path @('-Vqm', $List, '-P', $PublicKey)) -eq 0) { return 'yes' } else { return 'no' }
    }
    $openssl = Find-OpenSsl
    if (-not $openssl) { return 'unknown' }
    # minisign's texts hold two bytes for the algorithm, eight for the id of the key, then the key or the signature.
    $key = [Convert]::FromBase64String($PublicKey)
    $signature = [Convert]::FromBase64String([IO.File]::ReadAllLines("$List.minisig")[1])
    if ($key.Length -ne 42 -or $signature.Length -ne 74) { return 'no' }
    if ("$($key[0..9])" -ne "$($signature[0..9])") { return 'no' }
    # The head of an Ed25519 key in DER.
    $head = 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00
    $keyFile = Join-Path $Work 'key.der'
    $signatureFile = Join-Path $Work 'signature'
    [IO.File]::WriteAllBytes($keyFile, [byte[]]($head + $key[10..41]))
    [IO.File]::WriteAllBytes($signatureFile, [byte[]]$signature[10..73])
    $options = 'pkeyutl', '-verify', '-pubin', '-keyform', 'DER', '-inkey', $keyFile
    $options += '-rawin', '-in', $List, '-sigfile', $signatureFile
    if ((Get-ExitCode $openssl $options) -eq 0) { return 'yes' } else { return 'no' }
}

function Find-OpenSsl {
    $found = @(Get-Command openssl -CommandType Application -ErrorAction SilentlyContinue | ForEach-Object { $_.Path })
    foreach ($folder in 'Git\mingw64\bin', 'Git\clangarm64\bin', 'Git\usr\bin') {
        $found += Join-Path $env:ProgramFiles "$folder\openssl.exe"
    }
    foreach ($path in $found) {
        if ((Test-Path -LiteralPath $path) -and "$(& $path version)" -match '^OpenSSL [3-9]') { return $path }
    }
}

# Windows PowerShell makes an error of each line that a program writes to standard error.
function Get-ExitCode([string]$Program, [string[]]$Options) {
    $ErrorActionPreference = 'Continue'
    & $Program $Options 2>&1 | Out-Null
    return $LASTEXITCODE
}

# '' if there is no such program, or it has nothing to say.
function Get-Output([string]$Program, [string[]]$Options) {
    $ErrorActionPreference = 'Continue'
    if (-not (Get-Command $Program -CommandType Application -ErrorAction SilentlyContinue)) { return '' }
    return "$(& $Program $Options 2>$null)"
}

# The user's PATH as the registry has it: [Environment] would write `%USERPROFILE%` and its like out, for good.
function Set-UserPath([string]$Add, [string]$Remove) {
    $key = [Microsoft.Win32.Registry]::CurrentUser.OpenSubKey('Environment', $true)
    $before = [string]$key.GetValue('Path', '', [Microsoft.Win32.RegistryValueOptions]::DoNotExpandEnvironmentNames)
    $folders = @($before -split ';' | Where-Object { $_ -and $_ -ne $Add -and $_ -ne $Remove })
    if ($Add) { $folders += $Add }
    $after = $folders -join ';'
    if ($after -ne $before) {
        $key.SetValue('Path', $after, [Microsoft.Win32.RegistryValueKind]::ExpandString)
        # Tells programs that run, such as the desktop, that the environment has changed.
        $name = 'zai2api-' + [Guid]::NewGuid().ToString('N')
        [Environment]::SetEnvironmentVariable($name, 'changed', 'User')
        [Environment]::SetEnvironmentVariable($name, [NullString]::Value, 'User')
    }
    $key.Close()
    $here = @($env:Path -split ';' | Where-Object { $_ -and $_ -ne $Add -and $_ -ne $Remove })
    if ($Add) { $here += $Add }
    $env:Path = $here -join ';'
}

Install-Zai2api -From $From -Version $Version -Dir $Dir -RequireSignature:$RequireSignature -Uninstall:$Uninstall
